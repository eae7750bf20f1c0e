//! The configuration as a whole.

use super::keys::KEYS;
use super::*;
use crate::secret::Secret;
use crate::source::imap::{After, Login, Mechanism, Tls};

const MAILBOX: &str = "[mailbox.rua]\nhost = \"imap.example.org\"\nuser = \"dmarc\"\n";
const PASSWORD: &str = "password_file = \"rua\"\n";

fn parse(text: &str) -> Result<Config, String> {
    read(text, &[])
}

/// What the file and the environment say.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let environment = Environment::new(variables.iter().copied());
    Config::build(Some((text, Path::new("etc/dmarc.toml"))), environment).map_err(|error| error.to_string())
}

fn environment(variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::build(None, Environment::new(variables.iter().copied())).map_err(|error| error.to_string())
}

/// The one mailbox of a file with these lines in its table.
fn mailbox(lines: &str) -> Result<Account, String> {
    parse(&format!("{MAILBOX}{lines}")).map(|mut config| config.mailboxes.remove(0))
}

/// A file in which the key has this value and all that it needs stands around it.
fn file_with(key: &keys::Key, value: &str) -> String {
    let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
    let line = format!("{name} = {value}\n");
    let except = |text: &str| -> String {
        text.lines()
            .filter(|other| !other.starts_with(&format!("{name} =")))
            .fold(String::new(), |all, line| all + line + "\n")
    };
    let oauth2 = "token_url = \"https://a.example/\"\nclient_id = \"c\"\n";
    let refresh = "refresh_token_file = \"t\"\n";
    match table {
        "" => line,
        "mailbox.*" if name.starts_with("password_") => format!("{MAILBOX}{line}"),
        "mailbox.*" => format!("{}{PASSWORD}{line}", except(MAILBOX)),
        "mailbox.*.oauth2" if name.starts_with("refresh_") => {
            format!("{MAILBOX}[mailbox.rua.oauth2]\n{oauth2}{line}")
        }
        "mailbox.*.oauth2" => format!("{MAILBOX}[mailbox.rua.oauth2]\n{}{refresh}{line}", except(oauth2)),
        _ => format!("[{table}]\n{line}"),
    }
}

#[test]
fn takes_every_key_from_the_file_and_from_the_environment_and_writes_it_into_the_template() {
    let template = template(Suggestions::default());
    for key in KEYS {
        let name = key.path.rsplit('.').next().unwrap();
        // Whatever else the key needs stands in both.
        let is_needed = matches!(name, "host" | "user" | "token_url" | "client_id")
            || name.starts_with("password_")
            || name.starts_with("refresh_");
        let with = parse(&file_with(key, key.example)).unwrap_or_else(|error| panic!("{error}"));
        let without = file_with(key, "0").replace(&format!("{name} = 0\n"), "");
        if is_needed {
            assert!(parse(&without).unwrap_err().contains("is missing"), "{}", key.path);
        } else {
            assert_ne!(parse(&without).unwrap(), with, "{}: the example changes something", key.path);
        }
        // A path of the environment does not start from the folder of the file.
        let plain = key.example.trim_matches('"').to_owned();
        let in_environment = read(&without, &[(&keys::variable(key.path, "rua"), &plain)]).unwrap();
        let relative = |config: &Config| format!("{config:?}").replace("etc/", "");
        assert_eq!(relative(&in_environment), relative(&with), "{}", key.path);
        if let Some(default) = key.default {
            assert_eq!(parse(&file_with(key, default)).unwrap(), parse(&without).unwrap(), "{}", key.path);
        }
        let table = key.path.rsplit_once('.').map_or("", |(table, _)| table);
        assert!(keys::names_in(table).contains(&name));
        let shown = key.default.unwrap_or(key.example);
        let more = if key.default.is_some() { "" } else { " For example:" };
        assert!(template.contains(&format!("# {}.{more}\n#{name} = {shown}\n", key.doc)), "{}", key.path);
    }
}

#[test]
fn writes_a_template_that_means_the_same_as_no_file() {
    assert_eq!(parse(&template(Suggestions::default())).unwrap(), Config::default());
}

#[test]
fn writes_a_template_that_is_valid_with_all_its_comments_taken_away_but_two_ways_to_log_in() {
    let text = template(Suggestions::default());
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting,
        _ => line,
    });
    let other_ways = ["password_env", "password_command", "[mailbox.rua.oauth2]"];
    let mut is_oauth2 = false;
    let kept = lines.filter(|line| {
        if line.starts_with('[') {
            is_oauth2 = line.contains("oauth2");
        }
        !is_oauth2 && !other_ways.iter().any(|way| line.starts_with(way))
    });
    let config = parse(&kept.fold(String::new(), |all, line| all + line + "\n")).unwrap();
    assert_eq!(config.mailboxes[0].user, "dmarc@example.org");
}

#[test]
fn takes_suggestions_over_as_text_whatever_they_hold() {
    let data = Path::new("/srv/a \"b\"\\\n[owner]");
    let suggestions = Suggestions { data: Some(data), domain: Some("example.org\"]\n[x]") };
    let config = parse(&template(suggestions)).unwrap();
    assert_eq!(config.data.as_deref(), Some(data));
    assert_eq!(config.owner, Owner::default());
}

#[test]
fn has_no_variable_that_could_mean_two_keys() {
    let (of_mailboxes, others): (Vec<_>, Vec<_>) =
        KEYS.iter().map(|key| keys::variable(key.path, "*")).partition(|name| name.contains('*'));
    for name in &of_mailboxes {
        let ends_with = |other: &&String| name.ends_with(&other.replace("DMARC_MAILBOX_*", ""));
        assert_eq!(of_mailboxes.iter().filter(ends_with).count(), 1, "{name}");
    }
    for name in &others {
        assert!(!name.starts_with("DMARC_MAILBOX_") && name != CONFIG_VARIABLE, "{name}");
        assert_eq!(others.iter().filter(|other| *other == name).count(), 1, "{name}");
    }
}

#[test]
fn reads_a_whole_configuration() {
    let config = parse(
        "data = \"/var/lib/dmarc\"\n[owner]\ndomains = [\"Example.ORG.\", \"müller.example\"]\n\
         networks = [\"192.0.2.7/24\", \"2001:db8::1\"]\ntrusted_authserv_ids = [\"mx.example.org\"]\n\
         [lookup]\nhosts_file = \"ptr.tsv\"\n[mailbox.rua]\nhost = \"IMAP.example.org\"\nuser = \"dmarc\"\n\
         password_command = [\"pass\", \"show\", \"rua\"]\nafter = \"move:Done\"\n",
    )
    .unwrap();
    assert_eq!(config.data.as_deref(), Some(Path::new("/var/lib/dmarc")));
    assert_eq!(config.owner.domains, ["example.org", "xn--mller-kva.example"]);
    assert_eq!(config.owner.networks[0].to_string(), "192.0.2.0/24");
    assert_eq!(config.owner.networks[1].to_string(), "2001:db8::1/128");
    assert_eq!(config.owner.trusted_authserv_ids, ["mx.example.org"]);
    assert_eq!(config.lookup.hosts_file.as_deref(), Some(Path::new("etc/ptr.tsv")));
    let [rua] = config.mailboxes.as_slice() else { panic!("{:?}", config.mailboxes) };
    assert_eq!((rua.host.as_str(), rua.port, rua.tls), ("imap.example.org", 993, Tls::Implicit));
    assert_eq!(rua.after, After::Move("Done".to_owned()));
    let words = ["pass", "show", "rua"].map(str::to_owned).to_vec();
    assert_eq!(rua.login, Login::Password(Secret::Command(words)));
    assert_eq!((rua.timeout, rua.poll), (Duration::from_mins(1), Duration::from_mins(5)));
}

#[test]
fn needs_nothing() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(environment(&[("PATH", "/bin"), ("DMARC_CONFIG", "/etc/x")]).unwrap(), Config::default());
}

#[test]
fn names_the_nearest_key() {
    for (text, error) in [
        (
            "[owner]\n\ndomians = []\n",
            ":3: unknown key `owner.domians` (did you mean `domains`?): \
             expected domains, networks or trusted_authserv_ids",
        ),
        (
            "[ower]\n",
            ":1: unknown key `ower` (did you mean `owner`?): \
             expected data, owner, mailbox, lookup, dns, authenticate, service or limits",
        ),
        ("[dns]\ncolour = 1\n", ":2: unknown key `dns.colour`: expected servers or timeout"),
        (
            "[limits]\n\"*\" = 1\n",
            ":2: unknown key `limits.*`: expected message, reading, batch_messages or batch_bytes",
        ),
        (
            "\"dns.timeout\" = \"7s\"\n",
            ":1: unknown key `dns.timeout`: \
             expected data, owner, mailbox, lookup, dns, authenticate, service or limits",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), format!("etc/dmarc.toml{error}"));
    }
    let error = mailbox("[mailbox.rua.oauth2]\nclientid = \"a\"").unwrap_err();
    assert!(
        error.starts_with(
            "etc/dmarc.toml:5: unknown key `mailbox.rua.oauth2.clientid` (did you mean `client_id`?)"
        ),
        "{error}"
    );
}

#[test]
fn names_line_and_key_of_a_bad_value() {
    for (text, error) in [
        (
            "[owner]\ndomains = [\n\"a.org\",\n\"b c\"]",
            ":4: `owner.domains`: expected domain names such as \"example.org\", found \"b c\"",
        ),
        (
            "[owner]\nnetworks = [\"192.0.2/24\"]",
            ":2: `owner.networks`: expected IP addresses or networks such as \"192.0.2.0/24\", found \"192.0.2/24\"",
        ),
        ("[owner]\ndomains = \"a.org\"", ":2: `owner.domains`: expected a list in brackets, found \"a.org\""),
        (
            "[lookup]\nhosts_file = 3",
            ":2: `lookup.hosts_file`: expected the path of a file, found an integer",
        ),
        (
            "[lookup]\nreverse_dns = \"true\"",
            ":2: `lookup.reverse_dns`: expected true or false, found \"true\"",
        ),
        (
            "[dns]\ntimeout = \"5\"",
            ":2: `dns.timeout`: expected a duration from 1s to 1h such as \"30s\", found \"5\"",
        ),
        (
            "[limits]\nmessage = 50",
            ":2: `limits.message`: expected a size from 64 KiB to 16 GiB such as \"50 MiB\", found an integer",
        ),
        (
            "[limits]\nbatch_messages = 0",
            ":2: `limits.batch_messages`: expected a number from 1 to 100000, found an integer",
        ),
        ("owner = true", ":1: `owner`: expected a table, found a boolean"),
        ("[mailbox]\nrua = 1", ":2: `mailbox.rua`: expected a table, found an integer"),
        (
            "[mailbox.Rua]",
            ":1: `mailbox.Rua`: expected a name of up to 64 small letters a to z, digits, `-` and `_`, found \"Rua\"",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), format!("etc/dmarc.toml{error}"));
    }
}

#[test]
fn names_the_line_of_a_syntax_error() {
    let error = parse("[owner]\ndomains = [\"a\"\nnetworks = []\n").unwrap_err();
    assert!(error.starts_with("etc/dmarc.toml:3: not valid TOML: "), "{error}");
    for twice in ["[owner]\ndomains = []\ndomains = []\n", "[mailbox.a]\n\n[mailbox.a]\n"] {
        assert!(parse(twice).unwrap_err().contains(":3: not valid TOML: "));
    }
}

#[test]
fn names_a_file_that_is_missing_too_large_or_not_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dmarc.toml");
    let load = || Config::load::<String, String>(&file, []);
    assert!(matches!(load(), Err(ConfigError::Unreadable { .. })));
    std::fs::write(&file, b"# a\n# \xff\n").unwrap();
    assert!(matches!(load(), Err(ConfigError::Syntax { origin: Origin::File { line: 2, .. }, .. })));
    std::fs::write(&file, " ".repeat(1 << 20)).unwrap();
    assert_eq!(load().unwrap(), Config::default());
    std::fs::write(&file, " ".repeat((1 << 20) + 1)).unwrap();
    assert!(matches!(load(), Err(ConfigError::TooLarge { max: 1_048_576, .. })));
}

#[test]
fn says_what_a_mailbox_lacks() {
    for (text, error) in [
        (
            "\n[mailbox.rua]\n",
            ":2: `mailbox.rua.host` is missing: expected the name or address of a server such as \"imap.example.org\"",
        ),
        (
            MAILBOX,
            ":1: `mailbox.rua.password_file` is missing: \
             expected password_file, password_env, password_command or oauth2",
        ),
        (
            &format!("{MAILBOX}oauth2 = {{ client_id = \"a\" }}"),
            ":1: `mailbox.rua.oauth2.token_url` is missing: \
             expected an https URL such as \"https://login.example/token\"",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), format!("etc/dmarc.toml{error}"));
    }
}

#[test]
fn refuses_a_secret_in_the_file_or_the_environment_and_never_repeats_it() {
    let ways = "a password does not belong in the configuration: \
                expected password_file, password_env or password_command";
    assert_eq!(
        mailbox("password = \"hunter2\"").unwrap_err(),
        format!("etc/dmarc.toml:4: `mailbox.rua.password`: {ways}")
    );
    assert_eq!(
        read(MAILBOX, &[("DMARC_MAILBOX_RUA_PASSWORD", "hunter2")]).unwrap_err(),
        format!("environment variable DMARC_MAILBOX_RUA_PASSWORD: `mailbox.rua.password`: {ways}")
    );
    for lines in [
        "password_env = \"hunter2!\"",
        "password_command = \"hunter2\"",
        "password_command = [\"a\", 7, \"hunter2\"]",
        "password_fiel = \"hunter2\"",
        "oauth2 = { client_secret = \"hunter2\" }",
        "oauth2 = { refresh_token = \"hunter2\" }",
        "oauth2 = { refresh_token_env = \"hunter2!\" }",
        "password = { text = \"hunter2\" }",
    ] {
        let error = mailbox(lines).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn takes_one_way_to_log_in() {
    assert_eq!(
        mailbox("password_file = \"a\"\npassword_env = \"B\"\n").unwrap_err(),
        "etc/dmarc.toml:5: `mailbox.rua.password_env`: there is another place for this secret: expected only one",
    );
    let oauth2 =
        "oauth2 = { token_url = \"https://a.example\", client_id = \"a\", refresh_token_env = \"B\" }\n";
    assert_eq!(
        mailbox(&format!("{PASSWORD}{oauth2}")).unwrap_err(),
        "etc/dmarc.toml:5: `mailbox.rua.oauth2.token_url`: there is a password too: expected one way to log in"
    );
    let Login::OAuth2(login) = mailbox(oauth2).unwrap().login else { panic!("OAuth 2.0 was configured") };
    assert_eq!((login.refresh_token, login.client_secret), (Secret::Env("B".to_owned()), None));
}

#[test]
fn reads_how_a_token_is_presented() {
    let lines = "[mailbox.rua.oauth2]\ntoken_url = \"https://a.example\"\nclient_id = \"a\"\n\
                 refresh_token_command = [\"b\"]\nmechanism = \"oauthbearer\"\n";
    let Login::OAuth2(login) = mailbox(lines).unwrap().login else { panic!("OAuth 2.0 was configured") };
    assert_eq!(login.mechanism, Some(Mechanism::OAuthBearer));
}

#[test]
fn leaves_tls_out_to_a_loopback_address_only() {
    for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
        let text = format!("[mailbox.a]\nhost = \"{host}\"\nuser = \"a\"\n{PASSWORD}tls = \"none\"\n");
        assert_eq!(parse(&text).unwrap().mailboxes[0].port, 143);
        let implicit = text.replace("none", "implicit");
        assert_eq!(parse(&implicit).unwrap().mailboxes[0].port, 993);
    }
    for host in ["localhost.example.org", "192.0.2.1", "imap.example.org", "::2"] {
        let text = format!("[mailbox.a]\nhost = \"{host}\"\nuser = \"a\"\n{PASSWORD}tls = \"none\"\n");
        assert!(parse(&text).unwrap_err().starts_with("etc/dmarc.toml:5: `mailbox.a.tls`: "));
    }
}

#[test]
fn moves_mail_to_a_named_folder_that_is_not_read() {
    for (lines, error) in [
        (
            "after = \"move:\"",
            "`mailbox.rua.after`: expected \"keep\", \"seen\", \"move:FOLDER\" or \"delete\", found \"move:\"",
        ),
        (
            "after = \"move:Inbox\"",
            "`mailbox.rua.after`: mail would be moved to a folder that is read: expected another folder",
        ),
        (
            "after = \"move:B\"\nfolders = [\"A\", \"B\"]",
            "`mailbox.rua.after`: mail would be moved to a folder that is read: expected another folder",
        ),
        (
            "after = \"move\"",
            "`mailbox.rua.after`: expected \"keep\", \"seen\", \"move:FOLDER\" or \"delete\", found \"move\"",
        ),
    ] {
        assert_eq!(mailbox(&format!("{PASSWORD}{lines}")).unwrap_err(), format!("etc/dmarc.toml:5: {error}"));
    }
    assert_eq!(mailbox(&format!("{PASSWORD}folders = [\"INBOX\", \"inbox\"]")).unwrap().folders, ["INBOX"]);
    assert!(mailbox(&format!("{PASSWORD}folders = []")).unwrap_err().contains("at least one"));
}

#[test]
fn lets_the_environment_win() {
    let text = format!("data = \"a\"\n{MAILBOX}{PASSWORD}");
    let config = read(
        &text,
        &[
            ("DMARC_DATA", "b"),
            ("DMARC_OWNER_DOMAINS", "a.example, b.example"),
            ("DMARC_LOOKUP_REVERSE_DNS", "false"),
            ("DMARC_MAILBOX_RUA_HOST", "other.example.org"),
            ("DMARC_MAILBOX_RUA_PORT", "1143"),
            ("DMARC_MAILBOX_RUA_PASSWORD_ENV", "DMARC_SECRET"),
            ("DMARC_SECRET", "hunter2"),
        ],
    )
    .unwrap();
    assert_eq!(config.data.as_deref(), Some(Path::new("b")));
    assert_eq!(config.owner.domains, ["a.example", "b.example"]);
    assert!(!config.lookup.reverse_dns);
    let rua = &config.mailboxes[0];
    assert_eq!((rua.host.as_str(), rua.port, rua.user.as_str()), ("other.example.org", 1143, "dmarc"));
    assert_eq!(rua.login, Login::Password(Secret::Env("DMARC_SECRET".to_owned())));
}

#[test]
fn lets_the_environment_choose_another_way_to_log_in() {
    let oauth2 = [
        ("DMARC_MAILBOX_RUA_OAUTH2_TOKEN_URL", "https://a.example"),
        ("DMARC_MAILBOX_RUA_OAUTH2_CLIENT_ID", "a"),
        ("DMARC_MAILBOX_RUA_OAUTH2_REFRESH_TOKEN_COMMAND", "pass show rua"),
    ];
    let config = read(&format!("{MAILBOX}{PASSWORD}"), &oauth2).unwrap();
    assert!(matches!(&config.mailboxes[0].login, Login::OAuth2(login) if login.client_id == "a"));
    let text = format!("{MAILBOX}oauth2 = {{ client_id = \"a\" }}");
    let config = read(&text, &[("DMARC_MAILBOX_RUA_PASSWORD_FILE", "b")]).unwrap();
    assert_eq!(config.mailboxes[0].login, Login::Password(Secret::File("b".into())));
    let mut both = oauth2.to_vec();
    both.push(("DMARC_MAILBOX_RUA_PASSWORD_FILE", "b"));
    assert_eq!(
        read(MAILBOX, &both).unwrap_err(),
        "environment variable DMARC_MAILBOX_RUA_OAUTH2_TOKEN_URL: `mailbox.rua.oauth2.token_url`: \
         there is a password too: expected one way to log in"
    );
}

#[test]
fn makes_mailboxes_from_the_environment_alone() {
    let config = environment(&[
        ("DMARC_MAILBOX_TLS_RPT_HOST", "b.example"),
        ("DMARC_MAILBOX_TLS_RPT_USER", "b"),
        ("DMARC_MAILBOX_TLS_RPT_PASSWORD_FILE", "b"),
        ("DMARC_MAILBOX_RUA_HOST", "a.example"),
        ("DMARC_MAILBOX_RUA_USER", "a"),
        ("DMARC_MAILBOX_RUA_PASSWORD_FILE", "a"),
        ("DMARC_MAILBOX_RUA_FOLDERS", "INBOX,[Gmail]/All Mail"),
    ])
    .unwrap();
    let names: Vec<_> = config.mailboxes.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["rua", "tls_rpt"]);
    assert_eq!(config.mailboxes[0].folders, ["INBOX", "[Gmail]/All Mail"]);
    assert_eq!(
        environment(&[("DMARC_MAILBOX_RUA_USER", "a")]).unwrap_err(),
        "environment variable DMARC_MAILBOX_RUA_USER: `mailbox.rua.host` is missing: \
         expected the name or address of a server such as \"imap.example.org\""
    );
}

#[test]
fn knows_a_mailbox_with_a_hyphen_in_the_environment_and_refuses_two_that_it_cannot_tell_apart() {
    let text = format!("{}{PASSWORD}", MAILBOX.replace("rua", "rua-eu"));
    let config = read(&text, &[("DMARC_MAILBOX_RUA_EU_USER", "x")]).unwrap();
    let [account] = config.mailboxes.as_slice() else { panic!("{:?}", config.mailboxes) };
    assert_eq!((account.name.as_str(), account.user.as_str()), ("rua-eu", "x"));
    let error = parse(&format!("{text}[mailbox.rua_eu]\n")).unwrap_err();
    assert!(error.contains(" `mailbox.rua_eu`: another mailbox is called the same"), "{error}");
}

#[test]
fn names_the_nearest_variable() {
    for (variable, error) in [
        ("DMARC_OWNER_DOMIANS", " (did you mean `DMARC_OWNER_DOMAINS`?)"),
        ("DMARC_CONFG", " (did you mean `DMARC_CONFIG`?)"),
        ("DMARC_MAILBOX_RUA_HSOT", " (did you mean `DMARC_MAILBOX_RUA_HOST`?)"),
        ("DMARC_MAILBOX_ELSE_WHERE_FOLDER", " (did you mean `DMARC_MAILBOX_ELSE_WHERE_FOLDERS`?)"),
        ("DMARC_COLOUR_OF_THE_SKY", ""),
    ] {
        let text = format!("{MAILBOX}{PASSWORD}");
        let expected = format!("unknown environment variable {variable}{error}");
        assert_eq!(read(&text, &[(variable, "hunter2")]).unwrap_err(), expected);
    }
}

#[test]
fn passes_over_what_kubernetes_says_of_services_that_are_called_like_us() {
    let links = [
        ("DMARC_SERVICE_HOST", "10.0.0.7"),
        ("DMARC_SERVICE_PORT", "9400"),
        ("DMARC_SERVICE_PORT_METRICS", "9400"),
        ("DMARC_PORT", "tcp://10.0.0.7:9400"),
        ("DMARC_PORT_9400_TCP", "tcp://10.0.0.7:9400"),
        ("DMARC_PORT_9400_TCP_PROTO", "tcp"),
        ("DMARC_PORT_9400_TCP_PORT", "9400"),
        ("DMARC_METRICS_PORT_9400_TCP_ADDR", "10.0.0.7"),
    ];
    assert_eq!(environment(&links).unwrap(), Config::default());
    for variable in ["DMARC_PORT", "DMARC_HOST", "DMARC_SERVICE_LOGS", "DMARC_PORT_9400_ADDR"] {
        assert!(environment(&[(variable, "1")]).unwrap_err().starts_with("unknown environment variable"));
    }
}

#[test]
fn knows_a_secret_in_a_variable_that_is_called_like_ours_even_if_another_way_to_log_in_wins() {
    let text = format!("{MAILBOX}password_env = \"DMARC_RUA\"\n");
    let variables = [("DMARC_RUA", "hunter2"), ("DMARC_MAILBOX_RUA_PASSWORD_FILE", "a")];
    assert!(read(&text, &variables).is_ok());
    assert!(read(&format!("{MAILBOX}{PASSWORD}"), &variables).is_err());
}

#[test]
fn knows_every_variable_of_the_unit_and_of_the_container() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    for (name, mark) in [("dmarc.service", "Environment="), ("Containerfile", "ENV ")] {
        let text = std::fs::read_to_string(root.join(name)).unwrap();
        let set: Vec<_> =
            text.lines().filter_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix(mark)).collect();
        assert!(!set.is_empty(), "{name}");
        let mut variables: Vec<_> = set.iter().map(|line| line.split_once('=').unwrap()).collect();
        variables.extend([("DMARC_MAILBOX_RUA_HOST", "a.example"), ("DMARC_MAILBOX_RUA_USER", "a")]);
        variables.sort_unstable();
        let text = if name == "Containerfile" { PASSWORD } else { "" };
        let text = if text.is_empty() { String::new() } else { format!("[mailbox.rua]\n{text}") };
        read(&text, &variables).unwrap();
    }
}

#[test]
fn takes_a_tilde_for_a_slip() {
    assert_eq!(
        parse("data = \"~/dmarc\"\n").unwrap_err(),
        "etc/dmarc.toml:1: `data`: `~` stands for no folder here: expected a path from the root"
    );
}

#[test]
fn opens_the_file_that_the_environment_names_or_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    std::fs::write(&file, "data = \"kept\"\n").unwrap();
    let variables = |path: &str| {
        [("DMARC_CONFIG".to_owned(), path.to_owned()), ("DMARC_DNS_TIMEOUT".to_owned(), "7s".to_owned())]
    };
    let config = Config::open(None, variables(file.to_str().unwrap())).unwrap();
    assert_eq!((config.data, config.dns.timeout), (Some(folder.path().join("kept")), Duration::from_secs(7)));
    let config = Config::open(None, variables("")).unwrap();
    assert_eq!((config.data, config.dns.timeout), (None, Duration::from_secs(7)));
    let gone = folder.path().join("gone");
    assert!(matches!(Config::open(Some(&gone), variables("")), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn names_the_variable_of_a_bad_value() {
    for (variable, value, error) in [
        ("DMARC_LOOKUP_REVERSE_DNS", "yes", "`lookup.reverse_dns`: expected true or false, found \"yes\""),
        (
            "DMARC_OWNER_NETWORKS",
            "192.0.2.1,x",
            "`owner.networks`: expected IP addresses or networks such as \"192.0.2.0/24\", found \"x\"",
        ),
        (
            "DMARC_LIMITS_BATCH_MESSAGES",
            "many",
            "`limits.batch_messages`: expected a number from 1 to 100000, found \"many\"",
        ),
        ("DMARC_DATA", "", "`data`: expected the path of a folder, found \"\""),
    ] {
        assert_eq!(
            environment(&[(variable, value)]).unwrap_err(),
            format!("environment variable {variable}: {error}")
        );
    }
}

#[test]
fn names_a_variable_that_is_not_utf8() {
    use std::os::unix::ffi::OsStringExt as _;
    let variables = [(OsString::from("DMARC_DATA"), OsString::from_vec(vec![0xff]))];
    let error = Config::build(None, Environment::new(variables)).unwrap_err().to_string();
    assert!(error.ends_with("expected the path of a folder, found bytes that are not UTF-8"), "{error}");
}

#[test]
fn finds_the_file_that_is_named_first() {
    let variables = [("DMARC_CONFIG", "/srv/b.toml")];
    assert_eq!(Config::find(Some(Path::new("a.toml")), variables), Some(PathBuf::from("a.toml")));
    assert_eq!(Config::find(None, variables), Some(PathBuf::from("/srv/b.toml")));
    // An empty variable is none, and the tests run where no configuration is.
    assert_eq!(Config::find(None, [("DMARC_CONFIG", "")]), None);
}
