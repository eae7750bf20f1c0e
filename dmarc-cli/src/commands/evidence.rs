//! What judgements are made from: reports of named files or of the dataset, and what is known about hosts.

use std::net::IpAddr;
use std::path::PathBuf;

use dmarc_core::findings::{Findings, HostFacts, Input, find};
use dmarc_ingest::store::DatasetReader;
use dmarc_ingest::{Collected, Collection, Config, Hosts, Inputs, host_facts, outcomes};

use crate::commands::limits;
use crate::commands::setup::Setup;
use crate::error::CommandError;
use crate::render::trouble::Trouble;

/// Reports that count, and what is known about the hosts in them.
pub(crate) struct Evidence {
    config: Config,
    hosts: Option<Hosts>,
    reader: Option<DatasetReader>,
    collected: Collected,
}

impl Evidence {
    /// Reads what `paths` name, once, and keeps nothing; without any, the dataset. What was wrong with mail is
    /// for the end of the run.
    pub(crate) fn gather(paths: &[PathBuf], setup: &Setup) -> Result<(Self, Trouble), CommandError> {
        let is_dataset = paths.is_empty();
        let config = if is_dataset { setup.config() } else { setup.named_config() }?;
        let hosts = config.lookup.hosts_file.as_deref().map(Hosts::load).transpose()?;
        let mut trouble = Trouble::default();
        let reader = is_dataset.then(|| setup.reader(&config)).transpose()?;
        let collected = match &reader {
            Some(reader) => reader.collected()?,
            None => collect(paths, &config, &mut trouble),
        };
        Ok((Self { config, hosts, reader, collected }, trouble))
    }

    /// All findings.
    pub(crate) fn find(&self) -> Findings {
        let host = |ip| self.host(ip);
        let mut input = Input::new(&self.collected.records, &host);
        input.tls = &self.collected.tls;
        input.failures = &self.collected.failures;
        input.set_aside = &self.collected.set_aside;
        find(&input)
    }

    /// What became of the inputs.
    pub(crate) fn inputs(&self) -> &Inputs {
        &self.collected.inputs
    }

    /// What is known about a host: what the owner listed comes before what was looked up.
    fn host(&self, ip: IpAddr) -> HostFacts {
        let listed = self.hosts.as_ref().and_then(|hosts| hosts.get(ip)).cloned();
        let looked_up = || self.reader.as_ref().and_then(|reader| reader.host(ip).ok().flatten());
        host_facts(&self.config.owner, listed.or_else(looked_up).as_ref(), ip)
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
