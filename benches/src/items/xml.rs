//! Aggregate reports in three dialects, with records that differ as those of a large receiver do.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// In whose manner a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// No version, no scope, no envelope; the reason of an override now and then.
    Google,
    /// RFC 7489 with every identifier, scope and namespaces that nothing uses.
    Microsoft,
    /// RFC 9990: its namespace, its new elements, and extensions of another namespace in records. There is none beside the
    /// records: mail-auth takes its end for that of the report and finds no record.
    Rfc9990,
}

impl Dialect {
    pub(crate) const ALL: [Self; 3] = [Self::Google, Self::Microsoft, Self::Rfc9990];

    /// Its name in one word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Microsoft => "microsoft",
            Self::Rfc9990 => "rfc9990",
        }
    }

    /// A report of so many records.
    pub(crate) fn report(self, records: u64) -> String {
        let (head, body, tail) = self.parts(records);
        [head, &body, tail].concat()
    }

    /// What stands before the records, the records, and what stands behind them.
    pub(crate) fn parts(self, records: u64) -> (&'static str, String, &'static str) {
        let mut body = String::new();
        for n in 0..records {
            let written = match self {
                Self::Google => google(&mut body, &Draft::new(n)),
                Self::Microsoft => microsoft(&mut body, &Draft::new(n)),
                Self::Rfc9990 => rfc9990(&mut body, &Draft::new(n)),
            };
            debug_assert!(written.is_ok(), "a String takes any text");
        }
        let head = match self {
            Self::Google => GOOGLE,
            Self::Microsoft => MICROSOFT,
            Self::Rfc9990 => RFC9990,
        };
        (head, body, "</feedback>\n")
    }
}

/// What differs from record to record.
struct Draft {
    ip: Ipv4Addr,
    count: u64,
    dkim: &'static str,
    spf: &'static str,
    /// Whether there is a second signature, of the service that sent.
    is_signed_twice: bool,
    /// Whether the receiver overrode the policy.
    is_forwarded: bool,
    n: u64,
}

impl Draft {
    fn new(n: u64) -> Self {
        let mixed = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
        let [_, a, b, c] = u32::try_from(mixed & 0x1_FFFF).unwrap_or_default().to_be_bytes();
        let word = |bit: u64| if (mixed >> bit).is_multiple_of(4) { "fail" } else { "pass" };
        Self {
            ip: Ipv4Addr::new(198, 18 + a, b, c),
            count: 1 + (mixed >> 17) % 97,
            dkim: word(24),
            spf: word(26),
            is_signed_twice: (mixed >> 28).is_multiple_of(4),
            is_forwarded: (mixed >> 30).is_multiple_of(16),
            n,
        }
    }
}

const GOOGLE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n  <report_metadata>\n    \
    <org_name>receiver.example</org_name>\n    <email>noreply-dmarc@receiver.example</email>\n    \
    <extra_contact_info>https://receiver.example/a/answer/2466580</extra_contact_info>\n    \
    <report_id>12345678901234567890</report_id>\n    <date_range>\n      <begin>1789171200</begin>\n      \
    <end>1789257599</end>\n    </date_range>\n  </report_metadata>\n  <policy_published>\n    \
    <domain>example.org</domain>\n    <adkim>r</adkim>\n    <aspf>r</aspf>\n    <p>none</p>\n    <sp>none</sp>\n    \
    <pct>100</pct>\n    <np>none</np>\n  </policy_published>\n";

fn google(xml: &mut String, draft: &Draft) -> std::fmt::Result {
    let Draft { ip, count, dkim, spf, .. } = draft;
    write!(
        xml,
        "  <record>\n    <row>\n      <source_ip>{ip}</source_ip>\n      <count>{count}</count>\n      \
         <policy_evaluated>\n        <disposition>none</disposition>\n        <dkim>{dkim}</dkim>\n        \
         <spf>{spf}</spf>\n"
    )?;
    if draft.is_forwarded {
        xml.push_str(
            "        <reason>\n          <type>local_policy</type>\n          <comment>arc=pass</comment>\n        \
             </reason>\n",
        );
    }
    write!(
        xml,
        "      </policy_evaluated>\n    </row>\n    <identifiers>\n      <header_from>example.org</header_from>\n    \
         </identifiers>\n    <auth_results>\n      <dkim>\n        <domain>example.org</domain>\n        \
         <result>{dkim}</result>\n        <selector>s2026</selector>\n      </dkim>\n"
    )?;
    if draft.is_signed_twice {
        xml.push_str(
            "      <dkim>\n        <domain>service.example.net</domain>\n        <result>pass</result>\n        \
             <selector>k1</selector>\n      </dkim>\n",
        );
    }
    write!(
        xml,
        "      <spf>\n        <domain>bounce{}.example.net</domain>\n        <result>{spf}</result>\n      </spf>\n    \
         </auth_results>\n  </record>\n",
        draft.n % 40
    )
}

const MICROSOFT: &str = "<?xml version=\"1.0\"?>\n<feedback xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <version>1.0</version>\n  <report_metadata>\n    \
    <org_name>Enterprise Receiver</org_name>\n    <email>dmarcreport@receiver.example</email>\n    \
    <report_id>f183fe4867bd4d39b21ab40b62a60a44</report_id>\n    <date_range>\n      <begin>1789171200</begin>\n      \
    <end>1789257600</end>\n    </date_range>\n  </report_metadata>\n  <policy_published>\n    \
    <domain>example.org</domain>\n    <adkim>r</adkim>\n    <aspf>r</aspf>\n    <p>reject</p>\n    <sp>reject</sp>\n    \
    <pct>100</pct>\n    <fo>0</fo>\n  </policy_published>\n";

fn microsoft(xml: &mut String, draft: &Draft) -> std::fmt::Result {
    let Draft { ip, count, dkim, spf, n, .. } = draft;
    let disposition = if *dkim == "fail" && *spf == "fail" { "reject" } else { "none" };
    write!(
        xml,
        "  <record>\n    <row>\n      <source_ip>{ip}</source_ip>\n      <count>{count}</count>\n      \
         <policy_evaluated>\n        <disposition>{disposition}</disposition>\n        <dkim>{dkim}</dkim>\n        \
         <spf>{spf}</spf>\n      </policy_evaluated>\n    </row>\n    <identifiers>\n      \
         <envelope_to>tenant{}.example.com</envelope_to>\n      <envelope_from>bounce{}.example.net</envelope_from>\n      \
         <header_from>example.org</header_from>\n    </identifiers>\n    <auth_results>\n      <dkim>\n        \
         <domain>example.org</domain>\n        <selector>s2026</selector>\n        <result>{dkim}</result>\n      \
         </dkim>\n",
        n % 300,
        n % 40
    )?;
    if draft.is_signed_twice {
        xml.push_str(
            "      <dkim>\n        <domain>service.example.net</domain>\n        <selector>k1</selector>\n        \
             <result>pass</result>\n      </dkim>\n",
        );
    }
    write!(
        xml,
        "      <spf>\n        <domain>bounce{}.example.net</domain>\n        <scope>mfrom</scope>\n        \
         <result>{spf}</result>\n      </spf>\n    </auth_results>\n  </record>\n",
        n % 40
    )
}

const RFC9990: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\" \
    xmlns:x=\"urn:example:receiver\">\n  <version>1.0</version>\n  <report_metadata>\n    \
    <org_name>Receiver Limited</org_name>\n    <email>dmarc@receiver.example</email>\n    \
    <extra_contact_info lang=\"en\">https://receiver.example/dmarc</extra_contact_info>\n    \
    <report_id>1789171200-example.org@receiver.example</report_id>\n    <date_range>\n      <begin>1789171200</begin>\n      \
    <end>1789257599</end>\n    </date_range>\n    <generator>receiver reports 3.1</generator>\n  </report_metadata>\n  \
    <policy_published>\n    <domain>example.org</domain>\n    <discovery_method>treewalk</discovery_method>\n    \
    <p>quarantine</p>\n    <sp>quarantine</sp>\n    <np>reject</np>\n    <fo>0</fo>\n    <adkim>r</adkim>\n    \
    <aspf>r</aspf>\n    <testing>n</testing>\n  </policy_published>\n";

fn rfc9990(xml: &mut String, draft: &Draft) -> std::fmt::Result {
    let Draft { ip, count, dkim, spf, n, .. } = draft;
    let disposition = if *dkim == "fail" && *spf == "fail" { "quarantine" } else { "pass" };
    write!(
        xml,
        "  <record>\n    <row>\n      <source_ip>{ip}</source_ip>\n      <count>{count}</count>\n      \
         <policy_evaluated>\n        <disposition>{disposition}</disposition>\n        <dkim>{dkim}</dkim>\n        \
         <spf>{spf}</spf>\n"
    )?;
    if draft.is_forwarded {
        xml.push_str(
            "        <reason>\n          <type>mailing_list</type>\n          \
             <comment lang=\"en\">a list that we know</comment>\n        </reason>\n",
        );
    }
    write!(
        xml,
        "      </policy_evaluated>\n    </row>\n    <identifiers>\n      <header_from>example.org</header_from>\n      \
         <envelope_from>bounce{}.example.net</envelope_from>\n    </identifiers>\n    <auth_results>\n      <dkim>\n        \
         <domain>example.org</domain>\n        <selector>s2026</selector>\n        <result>{dkim}</result>\n      \
         </dkim>\n      <spf>\n        <domain>bounce{}.example.net</domain>\n        <result>{spf}</result>\n        \
         <human_result lang=\"en\">checked &lt;once&gt;</human_result>\n      </spf>\n    </auth_results>\n",
        n % 40,
        n % 40
    )?;
    if draft.is_signed_twice {
        xml.push_str("    <x:path>list</x:path>\n");
    }
    xml.push_str("  </record>\n");
    Ok(())
}
