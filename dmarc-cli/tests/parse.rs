//! `dmarc parse`, the real binary: data, talk and exit code.

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use common::{REPORT, dmarc, dmarc_with_input, folder, json_lines};

#[test]
fn names_a_path_that_is_not_there() {
    let run = dmarc(&["parse", "/no/such/path"]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    not read:
      /no/such/path: no such file or folder (`-` reads standard input)
    dmarc: 0 inputs read; 1 not read
    --- exit code 4
    ");
}

#[cfg(target_os = "linux")]
#[test]
fn names_a_file_that_cannot_be_read() {
    let run = dmarc(&["parse", "/proc/self/mem"]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    not read:
      /proc/self/mem: cannot be read (are its permissions right?): Input/output error (os error 5)
    dmarc: 0 inputs read; 1 not read
    --- exit code 4
    ");
}

#[test]
fn names_a_folder_without_files() {
    let root = folder(&[]);
    let run = dmarc(&["parse", root.path().to_str().unwrap()]);
    insta::assert_snapshot!(run.whole().replace(root.path().to_str().unwrap(), "[FOLDER]"), @r"
    --- stderr
    not read:
      [FOLDER]: no file in this folder (hidden names and links in it are passed over)
    dmarc: 0 inputs read; 1 not read
    --- exit code 4
    ");
}

#[test]
fn explains_an_unknown_option() {
    let run = dmarc(&["parse", "--colour", "x"]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    error: unexpected argument '--colour' found

      tip: to pass '--colour' as a value, use '-- --colour'

    Usage: dmarc parse [OPTIONS] <PATH>...

    For more information, try '--help'.
    --- exit code 2
    ");
}

#[test]
fn explains_a_missing_path() {
    assert_eq!(dmarc(&["parse"]).code, 2);
}

#[test]
fn calls_other_mail_not_a_report() {
    let run = dmarc_with_input(&["parse", "-"], b"Subject: lunch?\n\nNoon?\n");
    insta::assert_snapshot!(run.whole(), @r#"
    {"schema":1,"source":"-","outcome":"not_a_report"}
    --- stderr
    --- exit code 0
    "#);
}

#[test]
fn m06_says_that_a_report_was_not_delivered() {
    let mail = "From: a@r.example\nTo: b@s.example\nSubject: Error\n\nReport-Domain: s.example\nReport-ID: 17@r.example\n\
        Report-Size: 14000000\nSubmitter: r.example\nSubmitting-URI: mailto:b@s.example\n";
    let run = dmarc_with_input(&["parse", "-"], mail.as_bytes());
    insta::assert_snapshot!(run.whole(), @r#"
    {"schema":1,"source":"-","part":"1","outcome":"not_a_report","reason":"notice that r.example could not deliver report 17@r.example about s.example"}
    --- stderr
    --- exit code 0
    "#);
}

#[test]
fn reads_standard_input() {
    let run = dmarc_with_input(&["parse", "-"], REPORT.as_bytes());
    let lines = json_lines(&run);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["schema"], 1);
    assert_eq!(lines[0]["source"], "-");
    assert_eq!(lines[0]["outcome"], "parsed");
    assert_eq!(lines[0]["kind"], "aggregate");
    assert_eq!(lines[0]["report"]["report_metadata"]["org_name"], "Receiver");
    assert_eq!(lines[0]["report"]["records"][0]["row"]["count"], 2);
}

#[test]
fn reads_an_mbox_from_standard_input() {
    let mail = "From a\nSubject: x\n\nx\n\n";
    let run = dmarc_with_input(&["parse", "-"], mail.repeat(3).as_bytes());
    let sources: Vec<_> =
        json_lines(&run).iter().map(|line| line["source"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sources, ["-#1", "-#2", "-#3"]);
}

#[test]
fn reads_every_one_of_more_than_ten_messages() {
    let report = |id: usize| REPORT.replace("r-1<", &format!("r-{id}<"));
    let mail =
        |id| format!("From: a@receiver.example\nTo: b@example.org\nContent-Type: text/xml\n\n{}", report(id));
    let mbox = (0..25).map(|id| format!("From a\n{}\n", mail(id))).collect::<Vec<_>>().concat();
    let mails: Vec<_> = (0..25).map(|id| (format!("maildir/new/{id}"), mail(id))).collect();
    let mut files: Vec<(&str, &str)> =
        mails.iter().map(|(name, mail)| (name.as_str(), mail.as_str())).collect();
    files.push(("all.mbox", &mbox));
    let root = folder(&files);
    for path in [root.path().join("maildir"), root.path().join("all.mbox")] {
        let run = dmarc(&["parse", path.to_str().unwrap()]);
        let ids: std::collections::BTreeSet<_> = json_lines(&run)
            .iter()
            .map(|line| line["report"]["report_metadata"]["report_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!((run.code, ids.len()), (0, 25), "{}", run.stderr);
    }
}

#[test]
fn parses_what_is_there_if_one_path_is_missing() {
    let root = folder(&[("new/1", REPORT), ("new/2", REPORT)]);
    let new = root.path().to_str().unwrap();
    let run = dmarc(&["parse", "/no/such/path", new]);
    let lines = json_lines(&run);
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["source"], format!("{new}/new/1"));
    assert!(lines.iter().all(|line| line["outcome"] == "parsed"), "{}", run.stdout);
}

#[test]
fn goes_on_after_a_refused_report_and_says_so() {
    let cut = REPORT.split("</record>").next().unwrap();
    let root = folder(&[("a.xml", cut), ("b.xml", REPORT)]);
    let run = dmarc(&["parse", root.path().to_str().unwrap()]);
    let lines = json_lines(&run);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!((&lines[0]["source"], &lines[0]["outcome"]), (&"a.xml".into(), &"refused".into()));
    assert!(lines[0]["error"]["code"].is_string() && lines[0]["error"]["message"].is_string());
    assert_eq!((&lines[1]["source"], &lines[1]["outcome"]), (&"b.xml".into(), &"parsed".into()));
    assert!(run.stderr.starts_with("refused:\n  a.xml: "), "{}", run.stderr);
    assert!(run.stderr.ends_with("dmarc: 2 inputs read; 1 refused\n"), "{}", run.stderr);
}

#[test]
fn names_a_report_with_records_that_cannot_be_counted() {
    let report = REPORT.replace("<count>2</count>", "<count>many</count>");
    let run = dmarc_with_input(&["parse", "-"], report.as_bytes());
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(json_lines(&run)[0]["outcome"], "parsed");
    assert!(
        run.stderr.starts_with("read in part:\n  -: 1 of 1 records set aside, record 0: "),
        "{}",
        run.stderr
    );
}

#[test]
fn names_a_message_that_is_too_large() {
    let large = vec![b'x'; (50 << 20) + 1];
    let run = dmarc_with_input(&["parse", "-"], &large);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(json_lines(&run)[0]["error"]["code"], "limit_exceeded");
}

#[test]
fn sends_no_control_characters_of_a_report_to_the_terminal() {
    let report = REPORT.replace("Receiver", "Re\u{202e}cei\u{9b}31mver");
    let run = dmarc_with_input(&["parse", "-"], report.as_bytes());
    assert!(run.stdout.contains("Re\\u202ecei"), "{}", run.stdout);
    assert!(!run.stdout.contains(['\u{202e}', '\u{9b}']));
}

#[test]
fn sends_no_control_characters_of_a_path_to_the_terminal() {
    let run = dmarc(&["parse", "/no/such/\u{1b}[31mpath"]);
    assert!(run.stderr.contains("/no/such/\\u{1b}[31mpath"), "{}", run.stderr);
}

#[test]
fn gives_the_same_bytes_twice() {
    let root = folder(&[("new/3", REPORT), ("cur/1", REPORT), ("new/2", "Subject: x\n\nx\n")]);
    let path = root.path().to_str().unwrap();
    assert_eq!(dmarc(&["parse", path]).stdout, dmarc(&["parse", path]).stdout);
}

#[test]
fn ends_silently_if_the_pipe_is_closed() {
    let mbox = "From a\nSubject: x\n\nx\n\n".repeat(20_000);
    let root = folder(&[("in.mbox", &mbox)]);
    let run = common::dmarc_with_closed_pipe(&["parse", root.path().to_str().unwrap()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn says_that_the_disk_is_full() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = common::dmarc_into(&["parse", "-"], full);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    dmarc: cannot write the output: No space left on device (os error 28)
    --- exit code 4
    ");
}

// ---- records ------------------------------------------------------------------------

#[test]
fn writes_a_line_for_each_record_with_the_columns_of_a_dataset() {
    let second = REPORT.replace("r-1", "r-2").replace("<org_name>Receiver", "<org_name>=1+1");
    let root = folder(&[("a.xml", REPORT), ("b.xml", &second), ("c.txt", "lunch?")]);
    let path = root.path().to_str().unwrap();
    let run = dmarc(&["parse", "--flat", path]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.whole());
    let lines = json_lines(&run);
    assert_eq!(lines.len(), 2);
    let names: Vec<String> =
        dmarc_ingest::store::schema("aggregate").fields().iter().map(|field| field.name().clone()).collect();
    for (line, id) in lines.iter().zip(["r-1", "r-2"]) {
        assert_eq!((&line["report_id"], &line["message_count"]), (&id.into(), &2.into()), "{line}");
        assert_eq!(line["source_ip"], "192.0.2.1");
        assert_eq!(line["dkim"][0]["selector"], "s1");
        assert!(line.as_object().unwrap().keys().all(|name| names.contains(name)), "{line}");
    }
    let run = dmarc(&["parse", "--flat", "--format", "csv", path]);
    assert_eq!(run.stdout.lines().count(), 3, "{}", run.whole());
    assert!(run.stdout.contains(",'=1+1,"), "a spreadsheet computes nothing: {}", run.stdout);
    assert_eq!(dmarc(&["parse", "--format", "csv", path]).code, 2, "without records there is nothing flat");
}

#[test]
fn writes_records_as_files_that_others_read() {
    let root = folder(&[("a.xml", REPORT)]);
    for format in ["parquet", "arrow"] {
        let file = root.path().join(format);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_dmarc"))
            .args(["parse", "--flat", "--format", format])
            .arg(root.path().join("a.xml"))
            .stdout(std::fs::File::create(&file).unwrap())
            .status();
        assert!(output.unwrap().success());
        if format == "parquet" {
            let query =
                format!("select report_id, message_count from read_parquet('{}')", file.to_str().unwrap());
            let run = dmarc(&["sql", &query, root.path().join("a.xml").to_str().unwrap(), "--format", "csv"]);
            assert_eq!(run.stdout, "report_id,message_count\r\nr-1,2\r\n", "{}", run.whole());
        } else {
            let reader =
                arrow_ipc::reader::FileReader::try_new(std::fs::File::open(&file).unwrap(), None).unwrap();
            assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 1);
        }
    }
}

#[test]
fn names_what_was_refused_and_what_has_no_records() {
    let tls = r#"{"organization-name": "r", "date-range": {"start-datetime": "2026-10-25T00:00:00Z",
        "end-datetime": "2026-10-25T23:59:59Z"}, "contact-info": "a@r.example", "report-id": "1", "policies": []}"#;
    let root = folder(&[("a.xml", REPORT), ("b.json", tls), ("c.xml", "<feedback>")]);
    let run = dmarc(&["parse", "--flat", root.path().to_str().unwrap()]);
    assert_eq!((run.code, json_lines(&run).len()), (3, 1), "{}", run.whole());
    assert!(run.stderr.contains("1 report without records left out\n"), "{}", run.stderr);
    assert!(run.stderr.contains("c.xml: "), "{}", run.stderr);
}
