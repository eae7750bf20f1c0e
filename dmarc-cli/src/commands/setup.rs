//! What commands that work on the dataset have in common.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use dmarc_ingest::dns::{DnsOptions, Resolver};
use dmarc_ingest::service::{Service, Stop};
use dmarc_ingest::source::imap::{Account, ImapOptions};
use dmarc_ingest::store::{Dataset, DatasetError, DatasetReader};
use dmarc_ingest::{Config, Settings};

use crate::error::{CommandError, Kind};

/// Where the dataset is, and what is configured.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Setup {
    /// Own domains, networks and mail servers, mailboxes, and the folder of the dataset
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// The folder of the dataset
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
}

impl Setup {
    /// What is configured: in the file that is named or found, and in the environment.
    pub(crate) fn config(&self) -> Result<Config, CommandError> {
        Ok(Config::open(self.config.as_deref(), std::env::vars_os())?)
    }

    /// What is configured in the file that is named, if one is: for a run that depends on nothing else.
    pub(crate) fn named_config(&self) -> Result<Config, CommandError> {
        let load = |path: &Path| Config::load(path, std::env::vars_os());
        Ok(self.config.as_deref().map(load).transpose()?.unwrap_or_default())
    }

    /// The folder of the dataset.
    pub(crate) fn data(&self, config: &Config) -> Result<PathBuf, CommandError> {
        self.data.clone().or_else(|| config.data.clone()).ok_or_else(|| {
            CommandError::new(Kind::Usage, anyhow::anyhow!("it is not known where the dataset is"))
                .hint("name its folder with --data DIR, DMARC_DATA or `data` in the configuration")
        })
    }

    /// The dataset, to write.
    pub(crate) fn dataset(&self, config: &Config) -> Result<Dataset, CommandError> {
        Ok(Dataset::open(&self.data(config)?)?)
    }

    /// The dataset, to read.
    pub(crate) fn reader(&self, config: &Config) -> Result<DatasetReader, CommandError> {
        Ok(DatasetReader::open(&self.data(config)?)?)
    }
}

/// What mail is judged by.
pub(crate) fn settings(config: &Config) -> Result<Settings, CommandError> {
    let resolver = config.authenticate.dkim.then(|| resolver(config)).transpose()?;
    Ok(Settings {
        limits: config.limits.for_reading(),
        owner: config.owner.clone(),
        resolver,
        acknowledge: false,
    })
}

/// The mailboxes of these names; all that are configured if none is named.
pub(crate) fn accounts(config: &Config, names: &[String]) -> Result<Vec<Account>, CommandError> {
    let all = &config.mailboxes;
    let usage = |what: String| CommandError::new(Kind::Usage, anyhow::Error::msg(what));
    if all.is_empty() {
        return Err(usage("no mailbox is configured".to_owned())
            .hint("`dmarc init` writes a configuration to begin with; `dmarc import` takes files in"));
    }
    if let Some(name) = names.iter().find(|name| all.iter().all(|account| account.name != **name)) {
        let known: Vec<&str> = all.iter().map(|account| account.name.as_str()).collect();
        return Err(usage(format!("no mailbox {name:?} is configured: there is {}", known.join(", "))));
    }
    let is_wanted = |account: &&Account| names.is_empty() || names.contains(&account.name);
    Ok(all.iter().filter(is_wanted).cloned().collect())
}

/// What reads mailboxes into the dataset in the folder `data`.
pub(crate) fn service(config: &Config, data: &Path) -> Result<Service, CommandError> {
    let mut options = ImapOptions::default();
    options.message_bytes = config.limits.message_bytes;
    options.batch_messages = config.limits.batch_messages;
    options.batch_bytes = config.limits.batch_bytes;
    let settings = settings(config)?;
    let host_resolver = match (&settings.resolver, config.lookup.reverse_dns) {
        (_, false) => None,
        (Some(resolver), true) => Some(Arc::clone(resolver)),
        (None, true) => Some(resolver(config)?),
    };
    Ok(Service {
        dataset: Mutex::new(Dataset::open(data)?),
        settings,
        options,
        host_resolver,
        compact_every: config.service.compact_every,
        stop: Stop::default(),
    })
}

/// Whom to ask DNS.
pub(crate) fn resolver(config: &Config) -> Result<Arc<Resolver>, CommandError> {
    let mut options = DnsOptions::default();
    options.servers.clone_from(&config.dns.servers);
    options.timeout = config.dns.timeout;
    let resolver = Resolver::new(&options).map_err(|error| {
        CommandError::new(Kind::Usage, error)
            .hint("name servers with `dns.servers`, or set `authenticate.dkim = false`")
    })?;
    Ok(Arc::new(resolver))
}

impl From<DatasetError> for CommandError {
    fn from(error: DatasetError) -> Self {
        let kind = if error.is_damage() {
            Kind::Dataset
        } else if matches!(error, DatasetError::Missing { .. } | DatasetError::Ambiguous { .. }) {
            Kind::Usage
        } else {
            Kind::Unreachable
        };
        Self::new(kind, error)
    }
}
