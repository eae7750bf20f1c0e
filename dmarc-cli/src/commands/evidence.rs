//! What is judged: reports of named files or of the dataset, and what is known beside them.

use std::path::PathBuf;

use dmarc_core::findings::{
    Decision, FailureObservation, Findings, Known, Observations, Observed, ReportSummary,
};
use dmarc_core::record::{FlatRecord, Selection};
use dmarc_ingest::store::{DatasetReader, Facts};
use dmarc_ingest::{
    Collected, Collection, Config, Hosts, Inputs, NamedReport, host_facts, load_decisions, outcomes,
};

use crate::Output;
use crate::commands::limits;
use crate::commands::question::Asked;
use crate::commands::scope::end_of;
use crate::error::CommandError;
use crate::render::trouble::Trouble;

/// Reports that count, and what is known about the hosts in them.
pub(crate) struct Evidence {
    source: Source,
    context: Context,
    selection: Selection,
}

/// What is known beside the records, for several threads.
struct Context {
    config: Config,
    listed: Option<Hosts>,
    decisions: Vec<Decision>,
    collected: Collected,
}

/// What is known beside the records of a domain.
pub(crate) struct Beside<'a> {
    pub(crate) known: Known<'a>,
    /// What the ledger knows.
    facts: Option<&'a Facts<'a>>,
}

/// Where the records are.
enum Source {
    /// In memory.
    Files(Vec<FlatRecord>),
    Dataset(Box<DatasetReader>),
}

impl Asked {
    /// Reads what is named, once, and keeps nothing; without any name, the dataset. What was wrong with mail is said at once, so
    /// that the answer is what stays on the screen, and is the result for the end of the run.
    pub(crate) fn gather(
        &self,
        output: &mut Output<'_>,
    ) -> Result<(Evidence, Result<(), CommandError>), CommandError> {
        let is_dataset = self.paths.is_empty();
        let config = if is_dataset { self.setup.config() } else { self.setup.named_config() }?;
        let listed = config.lookup.hosts_file.as_deref().map(Hosts::load).transpose()?;
        let decisions = config.lookup.decisions_file.as_deref().map(load_decisions).transpose()?;
        let mut trouble = Trouble::default();
        let (source, collected) = if is_dataset {
            let reader = self.setup.reader(&config)?;
            let collected = reader.beside()?;
            (Source::Dataset(Box::new(reader)), collected)
        } else {
            let mut collected = collect(&self.paths, &config, &mut trouble);
            (Source::Files(std::mem::take(&mut collected.records)), collected)
        };
        let ended = trouble.finish(output.err);
        let selection = self.scope.selection(|| newest_day(&source, &collected), output)?;
        let decisions = decisions.unwrap_or_default();
        let context = Context { config, listed, decisions, collected };
        let mut evidence = Evidence { source, context, selection };
        evidence.select();
        Ok((evidence, ended))
    }
}

/// The newest day that reports may be believed about, in days since the Unix epoch, UTC.
fn newest_day(source: &Source, collected: &Collected) -> Result<Option<i64>, CommandError> {
    match source {
        Source::Files(_) => Ok(collected.newest_day()),
        Source::Dataset(reader) => Ok(reader.newest_day()?),
    }
}

impl Evidence {
    /// Leaves out what is not asked for and is about no record.
    fn select(&mut self) {
        let selection = &self.selection;
        let is_in = |domain: &str, begin: i64| selection.has_domain(domain) && selection.has_time(begin);
        let collected = &mut self.context.collected;
        collected.tls.retain(|tls| is_in(&tls.policy_domain, tls.period.0));
        collected.set_aside.retain(|aside| is_in(&aside.policy_domain, aside.period.0));
    }

    /// What became of the inputs.
    pub(crate) fn inputs(&self) -> &Inputs {
        &self.context.collected.inputs
    }

    /// All findings, of each domain those that `keep` leaves.
    pub(crate) fn find(&self, keep: &(dyn Fn(&mut Findings) + Sync)) -> Result<Findings, CommandError> {
        let mut findings = self.find_in(&self.selection, keep)?;
        findings.merge(self.beside());
        findings.sort();
        Ok(findings)
    }

    /// The same in a part of the records only, without what is about no record.
    pub(crate) fn find_in(
        &self,
        selection: &Selection,
        keep: &(dyn Fn(&mut Findings) + Sync),
    ) -> Result<Findings, CommandError> {
        let judged = self.judge_in(selection, &|observed, beside| beside.find(observed, keep))?;
        let mut findings = Findings::default();
        for found in judged {
            findings.merge(found);
        }
        findings.sort();
        Ok(findings)
    }

    /// What is looked at.
    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The first second after what is looked at or, where that is open, after the newest day that reports may be believed about;
    /// in seconds since the Unix epoch, UTC. `None`: there is no report.
    pub(crate) fn end(&self) -> Result<Option<i64>, CommandError> {
        match self.selection.until {
            Some(until) => Ok(Some(until.saturating_add(1))),
            None => Ok(newest_day(&self.source, &self.context.collected)?.map(end_of)),
        }
    }

    /// The TLS reports that their reporters call so.
    pub(crate) fn tls_reports(&self, report_id: &str) -> Result<Vec<NamedReport>, CommandError> {
        match &self.source {
            Source::Files(_) => {
                let known = self.context.collected.tls_reports.iter();
                Ok(known.filter(|report| report.report_id == report_id).cloned().collect())
            }
            Source::Dataset(reader) => Ok(reader.tls_reports(report_id)?),
        }
    }

    /// The failure reports about the message with this `Message-ID`, in `<>` or not.
    pub(crate) fn failures<'e>(
        &'e self,
        message_id: &'e str,
    ) -> impl Iterator<Item = &'e FailureObservation> {
        let bare = |id: &'e str| id.trim().trim_start_matches('<').trim_end_matches('>');
        let is_meant = move |failure: &&'e FailureObservation| {
            failure.message_id.as_deref().is_some_and(|id| bare(id) == bare(message_id))
        };
        self.context.collected.failures.iter().filter(is_meant)
    }

    /// Findings that are about no record.
    pub(crate) fn beside(&self) -> Findings {
        Findings::beside(&self.context.collected.tls, &self.context.collected.set_aside)
    }

    /// What `judge` makes of each domain, by name.
    pub(crate) fn judge<T: Send>(
        &self,
        judge: &(dyn Fn(&Observed, &Beside<'_>) -> T + Sync),
    ) -> Result<Vec<T>, CommandError> {
        self.judge_in(&self.selection, judge)
    }

    fn judge_in<T: Send>(
        &self,
        selection: &Selection,
        judge: &(dyn Fn(&Observed, &Beside<'_>) -> T + Sync),
    ) -> Result<Vec<T>, CommandError> {
        let context = &self.context;
        match &self.source {
            Source::Files(records) => {
                let mut observations = Observations::default();
                let selected = records.iter().filter(|record| selection.has(record));
                selected.for_each(|record| observations.add(record));
                let judge = |observed| context.judge(observed, None, judge);
                Ok(observations.domains().map(judge).collect())
            }
            Source::Dataset(reader) => {
                let facts = reader.facts(selection)?;
                let judge =
                    |observed: &Observed| facts.with(|facts| context.judge(observed, Some(facts), judge));
                Ok(reader.observe(selection, &judge)?.into_iter().collect::<Result<_, _>>()?)
            }
        }
    }
}

impl Context {
    fn judge<T>(
        &self,
        observed: &Observed,
        facts: Option<&Facts<'_>>,
        judge: &(dyn Fn(&Observed, &Beside<'_>) -> T + Sync),
    ) -> T {
        let host = |ip| {
            let listed = self.listed.as_ref().and_then(|hosts| hosts.get(ip)).cloned();
            let host = listed.or_else(|| facts.and_then(|facts| facts.host(ip)));
            host_facts(&self.config.owner, host, ip)
        };
        let mut known = Known::new(&host);
        (known.failures, known.decisions) = (&self.collected.failures, &self.decisions);
        judge(observed, &Beside { known, facts })
    }
}

impl Beside<'_> {
    /// The same, where a finding shows so many rows.
    pub(crate) fn with_rows(&self, rows: usize) -> Self {
        let mut known = self.known;
        known.rows = rows;
        Self { known, facts: self.facts }
    }

    /// What is found about a domain, as far as `keep` leaves it, with the mails that evidence came in.
    pub(crate) fn find(&self, observed: &Observed, keep: impl FnOnce(&mut Findings)) -> Findings {
        let mut found = Findings::of(observed, &self.known);
        keep(&mut found);
        if let Some(facts) = self.facts {
            found.name_origins(&|row| {
                let report = (row.reporter.as_str(), row.report_id.as_str(), row.policy_domain.as_str());
                facts.origin(report, (row.begin, row.end))
            });
        }
        found
    }

    /// The same of reports.
    pub(crate) fn reports(&self, observed: &Observed, report_id: &str) -> Vec<ReportSummary> {
        let mut reports = observed.report_summaries(report_id);
        if let Some(facts) = self.facts {
            for report in &mut reports {
                let key =
                    (report.reporter.as_str(), report.report_id.as_str(), report.policy_domain.as_str());
                report.origin = facts.origin(key, report.period);
            }
        }
        reports
    }
}

fn collect(paths: &[PathBuf], config: &Config, trouble: &mut Trouble) -> Collected {
    let mut collection = Collection::new(config.owner.clone());
    for item in outcomes(paths, &limits()) {
        match item {
            Ok(mail) => {
                trouble.look_at(&mail);
                collection.add(mail);
            }
            Err(error) => trouble.unreachable(&error),
        }
    }
    collection.finish()
}
