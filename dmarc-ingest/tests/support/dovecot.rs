//! A Dovecot of our own: on a free port of loopback, as the current user, in a folder that goes away with it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmarc_ingest::secret::Secret;
use dmarc_ingest::source::imap::{Account, After, Login, Tls};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::{eventually, pki, write_secret};

/// What the user logs in with.
pub(crate) const PASSWORD: &str = "s3cret \"quoted\" \\";

/// A running server. It is killed and its folder removed when it is dropped.
pub(crate) struct Dovecot {
    folder: TempDir,
    /// Port of TLS from the first byte.
    pub(crate) tls_port: u16,
    /// Port of STARTTLS.
    pub(crate) plain_port: u16,
    process: Option<Child>,
    /// What the configuration refers to.
    kept: Option<TempDir>,
}

/// Starts a server; `None`, and a line that says so, if there is none to start.
pub(crate) fn start() -> Option<Dovecot> {
    start_with(&["localhost", "127.0.0.1"], "")
}

/// Starts a server whose certificate has these names, with more lines of configuration.
pub(crate) fn start_with(names: &[&str], configuration: &str) -> Option<Dovecot> {
    let Some(program) = program() else {
        assert!(std::env::var_os("REQUIRE_IMAP").is_none(), "dovecot is not installed");
        println!("skipped: dovecot is not installed");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let ca = pki::write(folder.path(), names);
    assert!(ca.exists());
    for part in ["home", "home/Maildir", "home/Maildir/tmp", "home/Maildir/cur", "home/Maildir/new"] {
        let part = folder.path().join(part);
        fs::create_dir(&part).unwrap();
        give(&part);
    }
    write_secret(folder.path().join("password"), PASSWORD).unwrap();
    // The parts of a server that was started by root run as other users.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let [tls_port, plain_port] = free_ports();
    let text = config(folder.path(), tls_port, plain_port, configuration);
    fs::write(folder.path().join("dovecot.conf"), text).unwrap();
    let mut server = Dovecot { folder, tls_port, plain_port, process: None, kept: None };
    server.set_password(PASSWORD);
    server.run(&program);
    Some(server)
}

/// Starts a server that asks this port of loopback whether an access token is good.
pub(crate) fn start_with_tokens(port: u16) -> Option<Dovecot> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oauth2");
    let url = format!("http://127.0.0.1:{port}/info?access_token=");
    fs::write(&file, format!("tokeninfo_url = {url}\nusername_attribute = username\n")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let passdb = format!(
        "passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {}\n}}\n\
         auth_mechanisms = plain login xoauth2 oauthbearer\n",
        file.display()
    );
    let mut server = start_with(&["localhost"], &passdb)?;
    server.kept = Some(folder);
    Some(server)
}

impl Dovecot {
    /// The mailbox of the user, by TLS from the first byte; nothing happens to its messages.
    pub(crate) fn account(&self) -> Account {
        Account {
            name: "rua".to_owned(),
            host: "localhost".to_owned(),
            port: self.tls_port,
            tls: Tls::Implicit,
            ca_file: Some(self.folder.path().join("ca.pem")),
            user: "dmarc".to_owned(),
            login: Login::Password(Secret::File(self.folder.path().join("password"))),
            folders: vec!["INBOX".to_owned()],
            after: After::Keep,
            timeout: std::time::Duration::from_secs(20),
            poll: std::time::Duration::from_mins(1),
        }
    }

    /// The same by STARTTLS.
    pub(crate) fn starttls(&self) -> Account {
        Account { port: self.plain_port, tls: Tls::StartTls, ..self.account() }
    }

    /// Gives the user another password.
    pub(crate) fn set_password(&self, password: &str) {
        let user = format!("dmarc:{{PLAIN.b64}}{}\n", STANDARD.encode(password));
        fs::write(self.path().join("users"), user).unwrap();
    }

    /// Where the server keeps its things.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Delivers a message to INBOX, as a mail server would.
    pub(crate) fn deliver(&self, name: &str, message: &[u8]) {
        let inbox = self.path().join("home/Maildir");
        let temporary = inbox.join("tmp").join(name);
        fs::write(&temporary, message).unwrap();
        give(&temporary);
        fs::rename(temporary, inbox.join("new").join(name)).unwrap();
    }

    /// Delivers that many messages: `Subject: 0` and so on.
    pub(crate) fn deliver_many(&self, count: usize) {
        for number in 0..count {
            self.deliver(&format!("{}.{number:06}.test", 1_700_000_000 + number), &message(number));
        }
    }

    /// Puts a message into a folder.
    pub(crate) fn save(&self, folder: &str, message: &[u8]) {
        let file = self.path().join("message");
        fs::write(&file, message).unwrap();
        self.doveadm(&["save", "-u", "dmarc", "-m", folder, file.to_str().unwrap()]);
    }

    /// How many messages no client has seen: those in `new`.
    pub(crate) fn untouched(&self) -> usize {
        fs::read_dir(self.path().join("home/Maildir/new")).unwrap().count()
    }

    /// What the server logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Does something to the mailbox as another client would; what it prints.
    pub(crate) fn doveadm(&self, arguments: &[&str]) -> String {
        let output = Command::new("doveadm")
            .arg("-c")
            .arg(self.path().join("dovecot.conf"))
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// The UIDs and flags in a folder, a line a message: `1 \Seen`.
    pub(crate) fn flags(&self, folder: &str) -> Vec<String> {
        let text =
            self.doveadm(&["-f", "tab", "fetch", "-u", "dmarc", "uid flags", "mailbox", folder, "all"]);
        text.lines().skip(1).map(|line| line.replace('\t', " ").trim().to_owned()).collect()
    }

    /// Kills the server with everything that belongs to it, at once.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
        process.wait().unwrap();
        // Its other processes hold the ports as well, and die a moment later.
        eventually("the ports are free", || {
            [self.tls_port, self.plain_port]
                .iter()
                .all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err())
        });
    }

    /// Starts it again on the same ports.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.run(&program().unwrap());
    }

    fn run(&mut self, program: &Path) {
        let log = fs::File::create(self.path().join("stderr")).unwrap();
        let process = Command::new(program)
            .arg("-F")
            .arg("-c")
            .arg(self.path().join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // A group of its own, so that all of it can be killed.
            .process_group(0)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let (port, path) = (self.tls_port, self.path().to_owned());
        let process = self.process.as_mut().unwrap();
        eventually("dovecot answers", || {
            let ended = process.try_wait().unwrap();
            let said = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
            assert!(ended.is_none(), "dovecot ended: {}{}", said("stderr"), said("log"));
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("{}", self.log());
        }
    }
}

/// A small message.
pub(crate) fn message(number: usize) -> Vec<u8> {
    format!(
        "From: reports@example.org\r\nTo: rua@example.net\r\nSubject: {number}\r\n\r\nbody of {number}\r\n"
    )
    .into_bytes()
}

fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("dovecot")).find(|program| program.exists())
}

/// Who owns the mail: oneself, or nobody, because a server gives root no access to mail.
fn mail_owner() -> (u32, u32) {
    if rustix::process::getuid().is_root() {
        return (65534, 65534);
    }
    (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}

fn give(path: &Path) {
    let (uid, gid) = mail_owner();
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
}

/// What `id` says about oneself.
fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Ports that nothing listens on now.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn config(folder: &Path, tls_port: u16, plain_port: u16, more: &str) -> String {
    let folder = folder.display();
    let (uid, gid) = mail_owner();
    // As root the users of the package exist; as anybody else only oneself can be used.
    let users = if rustix::process::getuid().is_root() {
        String::new()
    } else {
        let (user, group) = (id("-un"), id("-gn"));
        format!(
            "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n"
        )
    };
    format!(
        "protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_mechanisms = plain login
disable_plaintext_auth = yes
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:~/Maildir
mail_fsync = never
namespace inbox {{
  inbox = yes
  separator = /
}}
{users}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = home={folder}/home allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{more}
"
    )
}
