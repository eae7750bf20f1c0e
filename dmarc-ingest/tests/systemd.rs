//! What a service manager hears, with a real socket. The environment can only be set for a child process, so each test
//! runs this program again.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use dmarc_ingest::systemd;

/// What tells the child that it is one.
const CHILD: &str = "DMARC_TEST_SYSTEMD_CHILD";

/// Runs the test `name` in a child with these variables; whether it succeeded.
fn run_child(name: &str, variables: &[(&str, &str)]) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(CHILD, "1");
    command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    // A name that is none runs nothing, and succeeds.
    let said = String::from_utf8(output.stdout).unwrap();
    output.status.success() && said.contains("1 passed")
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn tells_the_manager_each_state_in_a_datagram() {
    if is_child() {
        systemd::ready().unwrap();
        systemd::status("3 mails\nREADY=0\u{1b}[31m in INBOX").unwrap();
        assert_eq!(systemd::watchdog_interval(), Some(Duration::from_secs(15)));
        systemd::alive().unwrap();
        systemd::stopping().unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "30000000")];
    assert!(run_child("tells_the_manager_each_state_in_a_datagram", &variables));
    let mut heard = String::new();
    for _ in 0..4 {
        let mut datagram = [0; 4096];
        let length = socket.recv(&mut datagram).unwrap();
        heard.push_str(std::str::from_utf8(datagram.get(..length).unwrap()).unwrap());
    }
    let heard: Vec<_> = heard.lines().collect();
    assert_eq!(heard, ["READY=1", "STATUS=3 mails READY=0 [31m in INBOX", "WATCHDOG=1", "STOPPING=1"]);
}

#[test]
fn sends_nothing_where_nobody_listens() {
    if is_child() {
        systemd::ready().unwrap();
        systemd::status("x").unwrap();
        systemd::alive().unwrap();
        systemd::stopping().unwrap();
        assert_eq!(systemd::watchdog_interval(), None);
        return;
    }
    assert!(run_child("sends_nothing_where_nobody_listens", &[]));
}

#[test]
fn says_so_where_the_manager_is_gone_and_ignores_a_watchdog_of_another_process() {
    if is_child() {
        assert!(systemd::ready().is_err());
        assert_eq!(systemd::watchdog_interval(), None);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone");
    let variables =
        [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")];
    let name = "says_so_where_the_manager_is_gone_and_ignores_a_watchdog_of_another_process";
    assert!(run_child(name, &variables));
}
