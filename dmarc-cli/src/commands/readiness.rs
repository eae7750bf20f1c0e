//! `dmarc readiness`: whether a domain may take the next policy step, and which gates are not met.

use dmarc_core::findings::{Class, DomainSummary, Finding, Findings};

use crate::Output;
use crate::commands::evidence::Evidence;
use crate::commands::question::Question;
use crate::error::CommandError;
use crate::render::answer::{Answer, Cell, Column, ColumnKind};
use crate::render::figures::{grouped, percent};

/// Days that are looked at unless others are asked for.
const DAYS: i64 = 30;
/// Messages of a source from which somebody must have looked at it.
const UNREVIEWED_MESSAGES: u64 = 50;

/// `dmarc readiness PATH…`
#[derive(Debug, clap::Args)]
#[command(after_help = "Looks at the last 30 days of the data, unless --since or --until say otherwise.")]
pub(crate) struct Options {
    #[command(flatten)]
    question: Question,
}

/// What a step asks for.
struct Step {
    name: &'static str,
    /// Share of legitimate mail that must pass, in percent.
    pass_percent: u64,
    days: u64,
    messages: u64,
}

const TO_QUARANTINE: Step = Step { name: "none → quarantine", pass_percent: 98, days: 14, messages: 100 };
const TO_REJECT: Step = Step { name: "quarantine → reject", pass_percent: 99, days: 30, messages: 500 };

/// A condition, and whether it is met.
struct Gate {
    name: &'static str,
    is_met: bool,
    detail: String,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        self.question.since(DAYS).judge(output, readiness)
    }
}

fn readiness(evidence: &Evidence) -> Result<Answer, CommandError> {
    let found = evidence.find_in(evidence.selection(), &|_| {})?;
    let text = |name: &str| Column::new(name, ColumnKind::Text);
    let columns = vec![
        text("domain"),
        text("step"),
        text("gate"),
        Column::new("met", ColumnKind::Flag),
        text("detail"),
    ];
    let mut answer = Answer::new("readiness", columns);
    for summary in &found.domains {
        let step = match summary.policy.as_str() {
            "reject" => None,
            "quarantine" => Some(&TO_REJECT),
            _ => Some(&TO_QUARANTINE),
        };
        let Some(step) = step else {
            answer.push(row(
                summary,
                "none",
                &Gate { name: "done", is_met: true, detail: "the policy is p=reject".to_owned() },
            ));
            continue;
        };
        let gates = gates(step, summary, &found);
        let unmet = gates.iter().filter(|gate| !gate.is_met).count();
        let ready = Gate {
            name: "ready",
            is_met: unmet == 0,
            detail: if unmet == 0 {
                "every gate is met".to_owned()
            } else {
                format!("{unmet} gates are not met")
            },
        };
        for gate in std::iter::once(&ready).chain(&gates) {
            answer.push(row(summary, step.name, gate));
        }
    }
    Ok(answer)
}

fn row(summary: &DomainSummary, step: &str, gate: &Gate) -> Vec<Cell> {
    vec![
        Cell::Text(summary.domain.clone()),
        Cell::Text(step.to_owned()),
        Cell::Text(gate.name.to_owned()),
        Cell::Flag(gate.is_met),
        Cell::Text(gate.detail.clone()),
    ]
}

fn gates(step: &Step, summary: &DomainSummary, found: &Findings) -> Vec<Gate> {
    let findings = || found.findings.iter().filter(|finding| finding.domain == summary.domain);
    let mut gates = vec![
        legitimate(step, findings()),
        Gate {
            name: "days",
            is_met: summary.days.len() as u64 >= step.days,
            detail: format!("reports cover {} days of {}", summary.days.len(), step.days),
        },
        Gate {
            name: "messages",
            is_met: summary.messages >= step.messages,
            detail: format!("{} messages of {}", grouped(summary.messages), step.messages),
        },
    ];
    gates.extend(findings().filter(|finding| is_unreviewed(finding)).map(|finding| Gate {
        name: "unreviewed source",
        is_met: false,
        detail: format!(
            "{} {}: {} messages, {}",
            finding.id,
            finding.source.name,
            grouped(finding.messages),
            finding.class.as_str()
        ),
    }));
    gates
}

/// Enough of the mail that is ours passes.
fn legitimate<'f>(step: &Step, findings: impl Iterator<Item = &'f Finding>) -> Gate {
    let (mut pass, mut all) = (0_u64, 0_u64);
    // What others changed on its way is not for the owner to mend.
    for finding in findings.filter(|f| f.class.is_legitimate() && f.class != Class::ForwardedModified) {
        pass = pass.saturating_add(finding.dmarc_pass);
        all = all.saturating_add(finding.messages);
    }
    let is_met = all > 0 && u128::from(pass) * 100 >= u128::from(all) * u128::from(step.pass_percent);
    let detail = format!(
        "{} of {} legitimate messages pass; {} % are wanted",
        percent(pass, all),
        grouped(all),
        step.pass_percent
    );
    Gate { name: "legitimate mail passes", is_met, detail }
}

/// Nobody said whose it is, and it is more than noise.
fn is_unreviewed(finding: &Finding) -> bool {
    let is_open = matches!(finding.class, Class::ThirdPartyUnaligned | Class::UnauthorizedUnknown);
    is_open && finding.decision.is_none() && finding.messages >= UNREVIEWED_MESSAGES
}
