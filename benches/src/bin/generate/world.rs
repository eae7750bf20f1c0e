//! The cast: domains, those who send (or pretend to send) as them, and the reporters that observe it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rng::{Rng, whole};

/// The share of records of hosts that come again.
const RECURRING: f64 = 0.70;
/// How often a host that a reporter sees on a day has another row there.
pub(crate) const SECOND_ROW: f64 = 0.15;
/// How much less is sent on Saturdays and Sundays.
pub(crate) const WEEKEND: f64 = 0.75;
/// Reporters, at most.
const REPORTERS: u64 = 45;
/// Forwarders and mailing lists that many domains share.
const FORWARDERS: u64 = 3_000;

/// A service that sends for many: its own DKIM domain, its envelope domain, what its hosts are named.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Service {
    pub(crate) dkim: &'static str,
    pub(crate) envelope: &'static str,
    pub(crate) hosts: &'static str,
}

const SERVICES: [Service; 6] = [
    Service { dkim: "sendgrid.net", envelope: "sendgrid.net", hosts: "outbound-mail.sendgrid.net" },
    Service {
        dkim: "amazonses.com",
        envelope: "eu-west-1.amazonses.com",
        hosts: "smtp-out.eu-west-1.amazonses.com",
    },
    Service { dkim: "mailchimpapp.net", envelope: "mail12.atl.mcsv.net", hosts: "mcsv.net" },
    Service { dkim: "mailgun.org", envelope: "mailgun.org", hosts: "mailgun.net" },
    Service { dkim: "salesforce.com", envelope: "bnc.salesforce.com", hosts: "mta.salesforce.com" },
    Service { dkim: "zendesk.com", envelope: "zendesk.com", hosts: "outbound.zendesk.com" },
];

/// How a reporter writes reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Numeric ids; no envelope domains.
    #[default]
    Big,
    /// Names the recipient domain; hexadecimal ids.
    Cloud,
    /// An empty reason in each record.
    EmptyReason,
    /// RFC 9990.
    Modern,
    /// No selectors, no scope, no version.
    Old,
    /// Delivers some of what the policy would reject.
    Lenient,
}

/// A receiver that sends reports.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    pub(crate) name: String,
    pub(crate) org_name: String,
    pub(crate) dialect: Dialect,
    /// How much of the mail it sees, relative to the largest.
    pub(crate) size: f64,
    /// Whether its mail can be checked.
    pub(crate) is_trusted: bool,
}

/// What the rows of a host have in common.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Own { selector: u64 },
    Aligned(Service, u64),
    Unaligned(Service),
    Broken { from_day: u32 },
    Forwarder { via: String },
    MailingList { via: String },
    SpoofedSubdomain { label: &'static str },
    Spoof,
    SpoofWithOwnSpf { via: String },
    Botnet,
    Replay,
}

impl Kind {
    /// The smallest variant that looks like this one.
    pub(crate) fn variant(&self, variant: u8) -> u8 {
        match (self, variant) {
            (Self::Own { .. }, 1..4) | (Self::Aligned(..), 1) | (Self::Forwarder { .. }, 4) => variant,
            (Self::Forwarder { .. }, _) if variant.is_multiple_of(2) => 0,
            (Self::Forwarder { .. }, _) => {
                if variant < 5 {
                    1
                } else {
                    5
                }
            }
            (Self::MailingList { .. }, 4..7) => 4,
            (Self::MailingList { .. }, 7..) => 7,
            (Self::Spoof, 6..) => 6,
            _ => 0,
        }
    }
}

/// What is known of a host: enough to make its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostName {
    Nameless,
    /// A subscriber line, with a name that is or is not confirmed.
    Line {
        confirmed: bool,
    },
    Own {
        domain: u32,
        number: u32,
    },
    Service {
        service: u8,
        number: u32,
    },
    Forwarder {
        number: u32,
    },
    /// Claims to be of a domain.
    Forged {
        domain: u32,
    },
}

/// A host that sends again and again.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) ip: IpAddr,
    pub(crate) name: HostName,
    pub(crate) kind: u16,
    /// How busy it is: times the size of a reporter, the probability that it is seen there on a day.
    pub(crate) activity: f64,
    /// Messages in a row, about.
    pub(crate) volume: f64,
}

/// A policy domain with all that sends as it.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) index: u32,
    pub(crate) domain: String,
    pub(crate) policy: &'static str,
    pub(crate) subdomain_policy: Option<&'static str>,
    pub(crate) adkim: &'static str,
    pub(crate) aspf: &'static str,
    /// Records on a day, about.
    pub(crate) per_day: f64,
    /// Its reporters, the largest first: number, and size relative to the first.
    pub(crate) reporters: Vec<(usize, f64)>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) streams: Vec<Stream>,
    /// Kinds of senders that come once or twice.
    pub(crate) tail: Tail,
}

/// The kinds of the long tail.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) botnet: u16,
    pub(crate) spoof: u16,
    pub(crate) replay: u16,
    pub(crate) spoof_with_own_spf: Vec<u16>,
    pub(crate) forwarders: Vec<u16>,
}

/// Everything, but for the owners, which are made when they are wanted.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) days: u32,
    pub(crate) reporters: Vec<Reporter>,
    /// Name and share of the records of each domain.
    pub(crate) domains: Vec<(String, f64)>,
    pub(crate) records: f64,
}

impl World {
    /// The world of `seed`, in which `records` records about `domains` domains are written in `days` days.
    #[expect(clippy::cast_precision_loss, reason = "about so many")]
    pub(crate) fn new(seed: u64, records: u64, domains: u32, days: u32) -> Self {
        let weight = |rank: u32| 1.0 / (f64::from(rank) + 7.0).powf(1.4);
        let all: f64 = (0..domains).map(weight).sum();
        let mut names: Vec<String> = Vec::new();
        let mut rng = Rng::new(&[seed, 1]);
        for rank in 0..domains {
            let name = policy_domain(&mut rng, rank, &names);
            names.push(name);
        }
        let domains = (0..domains).zip(names).map(|(rank, name)| (name, weight(rank) / all)).collect();
        let reporters = (0..REPORTERS).map(|rank| reporter(seed, rank)).collect();
        Self { seed, days, reporters, domains, records: records as f64 }
    }

    /// The domain of this index, the largest being 0.
    pub(crate) fn owner(&self, index: u32) -> Owner {
        let mut rng = Rng::new(&[self.seed, 2, u64::from(index)]);
        let (domain, share) = self.domains.get(index as usize).cloned().unwrap_or_default();
        let per_day = share * self.records / f64::from(self.days);
        let policy = rng.pick(&["none", "none", "quarantine", "reject"]);
        let mut owner = Owner {
            index,
            domain,
            policy,
            subdomain_policy: rng.pick(&[None, Some(policy), Some("reject")]),
            adkim: rng.pick(&["r", "r", "s"]),
            aspf: rng.pick(&["r", "r", "r", "s"]),
            per_day,
            reporters: self.reporters_of(&mut rng, per_day),
            kinds: vec![Kind::Botnet, Kind::Spoof, Kind::Replay],
            streams: Vec::new(),
            tail: Tail {
                botnet: 0,
                spoof: 1,
                replay: 2,
                spoof_with_own_spf: Vec::new(),
                forwarders: Vec::new(),
            },
        };
        owner.add_tail(&mut rng);
        owner.add_streams(&mut rng, self.days);
        owner
    }

    /// The more mail, the more reporters see some of it on each day.
    fn reporters_of(&self, rng: &mut Rng, per_day: f64) -> Vec<(usize, f64)> {
        let most = whole(per_day.powf(0.55).round()).max(1) as usize;
        let mut drawn: Vec<(usize, f64)> = self
            .reporters
            .iter()
            .enumerate()
            .map(|(at, reporter)| (at, reporter.size * rng.within(0.3, 1.7)))
            .collect();
        drawn.sort_by(|a, b| b.1.total_cmp(&a.1));
        drawn.truncate(most);
        let largest = drawn.first().map_or(1.0, |(_, size)| *size);
        drawn.into_iter().map(|(at, size)| (at, size / largest)).collect()
    }

    /// The name of a host, as reverse DNS gave it, and whether it leads back.
    pub(crate) fn host_name(&self, ip: IpAddr, name: HostName) -> (String, bool) {
        let domain =
            |index: u32| self.domains.get(index as usize).map(|(name, _)| name.as_str()).unwrap_or_default();
        match name {
            HostName::Nameless => (String::new(), false),
            HostName::Line { confirmed } => {
                let text = ip.to_string().replace(['.', ':'], "-");
                (format!("line-{text}.dyn.access.example"), confirmed)
            }
            HostName::Own { domain: index, number } => (format!("mx{number}.{}", domain(index)), true),
            HostName::Service { service, number } => {
                let hosts = SERVICES.get(usize::from(service)).map_or("", |service| service.hosts);
                (format!("o{number}.{hosts}"), true)
            }
            HostName::Forwarder { number } => (format!("out.{}", forwarder(u64::from(number))), true),
            HostName::Forged { domain: index } => (format!("mx9.{}", domain(index)), false),
        }
    }
}

impl Owner {
    fn kind(&mut self, kind: Kind) -> u16 {
        self.kinds.push(kind);
        u16::try_from(self.kinds.len() - 1).unwrap_or_default()
    }

    fn add_tail(&mut self, rng: &mut Rng) {
        for _ in 0..rng.below(6) + 2 {
            let kind = self.kind(Kind::SpoofWithOwnSpf { via: format!("{}.example", label(rng)) });
            self.tail.spoof_with_own_spf.push(kind);
        }
        for _ in 0..rng.below(20) + 5 {
            let via = forwarder(rng.below(FORWARDERS));
            let kind = self.kind(Kind::Forwarder { via });
            self.tail.forwarders.push(kind);
        }
    }

    /// Adds hosts until they make their share of the records.
    fn add_streams(&mut self, rng: &mut Rng, days: u32) {
        let wanted = self.per_day * RECURRING;
        let selectors: Vec<u16> = (0..3).map(|selector| self.kind(Kind::Own { selector })).collect();
        let services: Vec<(u8, u16, u16)> = (0..2 + rng.below(2))
            .map(|selector| {
                let service = u8::try_from(rng.below(SERVICES.len() as u64)).unwrap_or_default();
                let it = SERVICES.get(usize::from(service)).copied().unwrap_or_default();
                (service, self.kind(Kind::Aligned(it, selector)), self.kind(Kind::Unaligned(it)))
            })
            .collect();
        let broken =
            self.kind(Kind::Broken { from_day: days / 4 + whole(f64::from(days) * rng.unit() / 2.0) });
        let label = rng.pick(&["hr", "payroll", "secure", "invoice"]);
        let spoofed = self.kind(Kind::SpoofedSubdomain { label });
        let mut made = 0.0;
        let mut number = 0;
        while made < wanted {
            let mut stream = match if number == 0 { 0 } else { rng.below(100) } {
                0..20 => self.own(rng, number, &selectors),
                20..50 => pooled(rng, &services, true),
                50..58 => pooled(rng, &services, false),
                58..63 => Stream { kind: broken, ..self.own(rng, number, &selectors) },
                63..88 => self.indirect(rng, false),
                88..97 => self.indirect(rng, true),
                _ => Stream {
                    ip: random_host(rng),
                    name: HostName::Nameless,
                    kind: spoofed,
                    activity: rng.within(0.1, 0.6),
                    volume: 3.0,
                },
            };
            let rows = self.rows_a_day(stream.activity);
            if rows > wanted - made {
                stream.activity *= (wanted - made) / rows;
            }
            made += self.rows_a_day(stream.activity).max(0.001);
            number += 1;
            self.streams.push(stream);
        }
    }

    /// How many rows a host of this activity has on a day, about.
    fn rows_a_day(&self, activity: f64) -> f64 {
        let seen: f64 = self.reporters.iter().map(|(_, size)| presence(activity, *size)).sum();
        seen * (1.0 + SECOND_ROW) * (5.0 + 2.0 * WEEKEND) / 7.0
    }

    fn own(&self, rng: &mut Rng, number: u32, selectors: &[u16]) -> Stream {
        Stream {
            ip: random_host(rng),
            name: HostName::Own { domain: self.index, number },
            kind: rng.pick(selectors),
            activity: rng.within(2.0, 20.0),
            volume: rng.within(5.0, 90.0),
        }
    }

    /// A forwarder or a mailing list, of those that everybody uses.
    fn indirect(&mut self, rng: &mut Rng, is_list: bool) -> Stream {
        // Some are used by many more than others.
        let number = u64::from(whole(rng.unit().powi(2) * 3_000.0)).min(FORWARDERS - 1);
        let via = forwarder(number);
        let known = self.kinds.iter().position(|kind| match kind {
            Kind::Forwarder { via: other } => !is_list && *other == via,
            Kind::MailingList { via: other } => is_list && *other == via,
            _ => false,
        });
        let known = known.and_then(|at| u16::try_from(at).ok());
        let kind = known.unwrap_or_else(|| {
            self.kind(if is_list { Kind::MailingList { via } } else { Kind::Forwarder { via } })
        });
        let hosts = 1 + number % 4;
        let ip = host_of(&mut Rng::new(&[3, number, rng.below(hosts)]));
        let number = u32::try_from(number).unwrap_or_default();
        let (activity, volume) = if is_list { (0.5, 2.0) } else { (0.2, 1.0) };
        Stream {
            ip,
            name: HostName::Forwarder { number },
            kind,
            activity: rng.within(activity, activity * 6.0),
            volume,
        }
    }
}

/// A host of a service: they are shared by all customers.
fn pooled(rng: &mut Rng, services: &[(u8, u16, u16)], is_aligned: bool) -> Stream {
    let (service, aligned, unaligned) = rng.pick(services);
    let number = rng.below(if is_aligned { 800 } else { 100 });
    let ip = host_of(&mut Rng::new(&[4, u64::from(service), number]));
    Stream {
        ip,
        name: HostName::Service { service, number: u32::try_from(number).unwrap_or_default() },
        kind: if is_aligned { aligned } else { unaligned },
        activity: if is_aligned { rng.within(1.0, 8.0) } else { rng.within(0.5, 4.0) },
        volume: rng.within(2.0, 30.0),
    }
}

/// The probability that a reporter of this size sees a host on a day.
pub(crate) fn presence(activity: f64, size: f64) -> f64 {
    (activity * size).min(0.97)
}

/// A host with a server on it, in the ranges for benchmarks and documentation.
fn random_host(rng: &mut Rng) -> IpAddr {
    host_of(&mut Rng::new(&[rng.bits()]))
}

fn host_of(rng: &mut Rng) -> IpAddr {
    if rng.chance(0.15) {
        return v6(rng);
    }
    let number = u32::try_from(rng.below(1 << 17)).unwrap_or_default();
    IpAddr::V4(Ipv4Addr::from_bits((198 << 24 | 18 << 16) + number))
}

/// Some host, as botnets have them: in a range that is nobody's, in networks of which some have more of them than others.
pub(crate) fn stray_host(rng: &mut Rng) -> IpAddr {
    if rng.chance(0.12) {
        return v6(rng);
    }
    let network = Rng::new(&[5, u64::from(whole(rng.unit().powi(2) * 1_048_576.0))]).below(1 << 20);
    let number = u32::try_from(network << 8 | rng.below(256)).unwrap_or_default();
    IpAddr::V4(Ipv4Addr::from_bits(240 << 24 | number))
}

fn v6(rng: &mut Rng) -> IpAddr {
    let low = u128::from(rng.bits()) | u128::from(rng.below(1 << 16)) << 64;
    IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | low))
}

fn forwarder(number: u64) -> String {
    format!("{}{number}.example", label(&mut Rng::new(&[6, number])))
}

fn label(rng: &mut Rng) -> String {
    const SYLLABLES: [&str; 14] =
        ["al", "bor", "cen", "dor", "el", "fin", "gor", "hal", "in", "jun", "kel", "lor", "mar", "nor"];
    (0..3).map(|_| rng.pick(&SYLLABLES)).collect()
}

/// One in eight is a sub-domain of another one.
fn policy_domain(rng: &mut Rng, rank: u32, others: &[String]) -> String {
    if rng.chance(0.125) && !others.is_empty() {
        let at = usize::try_from(rng.below(others.len() as u64)).unwrap_or_default();
        let parent = others.get(at).map(String::as_str).unwrap_or_default();
        let name = format!("{}.{parent}", rng.pick(&["mail", "news", "shop", "notify", "billing"]));
        if !others.contains(&name) {
            return name;
        }
    }
    format!("{}{rank}{}", label(rng), rng.pick(&[".example", ".example", "-corp.co.uk"]))
}

fn reporter(seed: u64, rank: u64) -> Reporter {
    const NAMED: [(&str, &str, Dialect); 6] = [
        ("bigmail.example", "bigmail.example", Dialect::Big),
        ("cloudoffice.example", "Enterprise Cloud Office", Dialect::Cloud),
        ("yodel.example", "Yodel", Dialect::Big),
        ("pochta.example", "Pochta", Dialect::EmptyReason),
        ("fleetmail.example", "FleetMail Pty Ltd", Dialect::Modern),
        ("commnet.example", "Commnet Email Feedback", Dialect::Lenient),
    ];
    const DIALECTS: [Dialect; 8] = [
        Dialect::Big,
        Dialect::Cloud,
        Dialect::EmptyReason,
        Dialect::Modern,
        Dialect::Modern,
        Dialect::Old,
        Dialect::Lenient,
        Dialect::Lenient,
    ];
    let mut rng = Rng::new(&[seed, 7, rank]);
    let known = usize::try_from(rank).ok().and_then(|at| NAMED.get(at));
    let (name, org_name, dialect) = known.map_or_else(
        || {
            let name = format!("{}{rank}-mail.example", label(&mut rng));
            (name.clone(), name, rng.pick(&DIALECTS))
        },
        |(name, org_name, dialect)| ((*name).to_owned(), (*org_name).to_owned(), *dialect),
    );
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let size = 1.0 / (rank as f64 + 1.0).powf(0.8);
    Reporter { name, org_name, dialect, size, is_trusted: rng.chance(0.9) }
}
