//! `dmarc report`, the real binary: the page is sound, holds everything, and text of reports stays text in it.
#![expect(clippy::unwrap_used, reason = "tests; the exemption of clippy.toml ends at `#[test]` functions")]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;

use std::collections::BTreeSet;

use common::{REPORT, Run, dmarc, folder, json_lines};
use dmarc_cli::render::text::is_unsafe;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/dmarc.toml");
/// Closes what it may stand in, runs, loads, turns the line around and hides.
const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=//x.example/ onerror='x'>\" onmouseover=\"x\" \
                       &amp; ]]> \u{202e}\u{200b}b";
/// The same as [`HOSTILE`], as a person is to read it.
const SHOWN: &str = "</title></style><script>alert(1)</script><img src=//x.example/ onerror='x'>\" onmouseover=\"x\" \
                     &amp; ]]> \\u{202e}\\u{200b}b";

// ---- the page of the mailbox ------------------------------------------------------

#[test]
fn names_every_finding_of_the_mailbox_and_every_domain() {
    let run = dmarc(&["report", "--html", "-", MAILBOX, "--config", CONFIG]);
    let all = dmarc(&["findings", MAILBOX, "--config", CONFIG, "--all", "--format", "json"]);
    assert_eq!((run.code, &run.stderr), (all.code, &all.stderr));
    let (page, all) = (Page::of(&run), json_lines(&all).remove(0));
    let ids: Vec<&str> =
        all["findings"].as_array().unwrap().iter().filter_map(|f| f["id"].as_str()).collect();
    assert!(ids.len() > 20, "{ids:?}");
    for id in ids {
        assert_eq!(page.elements_with("id", id), 1, "{id}");
    }
    for domain in all["domains"].as_array().unwrap() {
        let name = domain["domain"].as_str().unwrap();
        assert!(page.texts.iter().any(|(element, text)| element == "h2" && text == name), "{name}");
    }
    assert_eq!(page.elements("figure"), all["domains"].as_array().unwrap().len());
}

#[test]
fn tells_what_a_finding_rests_on_and_what_to_do() {
    let page = Page::of(&dmarc(&["report", "--html", "-", MAILBOX, "--config", CONFIG]));
    let all = dmarc(&["findings", MAILBOX, "--config", CONFIG, "--all", "--format", "json"]);
    let all = json_lines(&all).remove(0);
    let worst = all["findings"].as_array().unwrap().iter().find(|f| f["severity"] == "critical").unwrap();
    for evidence in worst["evidence"].as_array().unwrap().iter().chain(worst["against"].as_array().unwrap()) {
        let told = evidence["fact"].as_str().or_else(|| evidence["row"]["origin"].as_str()).unwrap();
        assert!(page.texts.iter().any(|(_, text)| text.starts_with(told)), "{told}");
    }
    let remedy = worst["remedy"].as_str().unwrap().get(1..).unwrap();
    assert!(page.texts.iter().any(|(element, text)| element == "dd" && text.contains(remedy)), "{remedy}");
}

#[test]
fn shows_the_senders_with_the_figures_that_the_command_has() {
    let page = Page::of(&dmarc(&["report", "--html", "-", MAILBOX, "--config", CONFIG]));
    let senders = dmarc(&["senders", MAILBOX, "--config", CONFIG, "--format", "ndjson"]);
    for sender in json_lines(&senders) {
        let digits = |column: &str| sender[column].as_u64().unwrap().to_string();
        let figures = ["hosts", "messages", "delivered"].map(digits);
        let bare = |text: &str| text.replace('\u{202f}', "");
        let is_row = |cells: &[(String, String)]| {
            cells[0].1 == sender["source"] && [1, 2, 4].map(|at: usize| bare(&cells[at].1)) == figures
        };
        assert!(page.texts.windows(5).any(is_row), "{sender}");
    }
}

#[test]
fn needs_nothing_and_runs_nothing() {
    let run = dmarc(&["report", "--html", "-", MAILBOX, "--config", CONFIG]);
    let page = Page::of(&run);
    page.assert_harmless();
    let policy = page.attributes("meta").find(|(_, value)| value.starts_with("default-src 'none'"));
    assert!(policy.is_some());
    let style = page.texts.iter().find(|(element, _)| element == "style").unwrap();
    assert!(!style.1.contains("url(") && !style.1.contains("@import"), "{}", style.1);
    // The page is shown as it is by `less`, too.
    assert!(!run.stdout.chars().any(|c| is_unsafe(c) && c != '\n'));
}

#[test]
fn has_every_id_once_and_no_link_to_nowhere() {
    let page = Page::of(&dmarc(&["report", "--html", "-", MAILBOX, "--config", CONFIG]));
    let ids: Vec<&str> = page.all("id").collect();
    let different: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), different.len());
    let labels = ["aria-labelledby", "aria-describedby"].into_iter().flat_map(|name| page.all(name));
    let links = page.all("href").map(|target| target.strip_prefix('#').unwrap());
    for target in labels.chain(links) {
        assert!(different.contains(target), "{target}");
    }
}

#[test]
fn leads_by_headings_that_skip_no_level() {
    let page = Page::of(&dmarc(&["report", "--html", "-", MAILBOX, "--config", CONFIG]));
    let headings = page.elements.iter().filter_map(|(name, _)| name.strip_prefix('h')?.parse::<u8>().ok());
    let levels: Vec<u8> = headings.collect();
    assert_eq!(levels.first(), Some(&1));
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1 && pair[1] > 1), "{levels:?}");
    let captions = page.texts.iter().filter(|(element, text)| element == "caption" && !text.is_empty());
    assert_eq!(page.elements("table"), captions.count());
}

#[test]
fn gives_the_same_bytes_twice_and_to_a_file() {
    let root = folder(&[]);
    let file = root.path().join("report.html");
    let arguments = |to: &'static str| dmarc(&["report", "--html", to, MAILBOX, "--config", CONFIG]);
    let page = arguments("-").stdout;
    assert_eq!(arguments("-").stdout, page);
    let run = dmarc(&["report", "--html", file.to_str().unwrap(), MAILBOX, "--config", CONFIG]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert!(run.stderr.contains("report.html."), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(file).unwrap(), page);
}

// ---- text of strangers ------------------------------------------------------------

#[test]
fn shows_hostile_text_as_text() {
    let page = page_of(HOSTILE);
    page.assert_harmless();
    let shown = |what: &str| page.texts.iter().any(|(element, text)| element == "td" && text == what);
    assert!(shown(SHOWN), "{:?}", page.texts);
    assert!(shown(&format!("id {SHOWN}")), "{:?}", page.texts);
}

#[test]
fn gives_hostile_text_no_influence_on_the_page() {
    let names = |page: &Page| -> Vec<_> {
        let attributes =
            |all: &[(String, String)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        page.elements.iter().map(|(name, all)| (name.clone(), attributes(all))).collect()
    };
    assert_eq!(names(&page_of(HOSTILE)), names(&page_of("harmless")));
}

#[test]
fn shows_what_no_xml_may_hold() {
    let report = r#"{"organization-name": "r", "date-range": {"start-datetime": "2026-09-01T00:00:00Z",
        "end-datetime": "2026-09-01T23:59:59Z"}, "contact-info": "a@r.example", "report-id": "1", "policies": [{
        "policy": {"policy-type": "sts", "policy-domain": "example.org"},
        "summary": {"total-successful-session-count": 0, "total-failure-session-count": 3},
        "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 3,
        "receiving-mx-hostname": "mx\u0000\u001b<b>\u2028.example.org"}]}]}"#;
    let root = folder(&[("a.json", report)]);
    let page = Page::of(&dmarc(&["report", "--html", "-", root.path().to_str().unwrap()]));
    page.assert_harmless();
    let mx = r"mx\u{0}\u{1b}<b>\u{2028}.example.org certificate-expired";
    assert!(page.texts.iter().any(|(element, text)| element == "th" && text == mx), "{:?}", page.texts);
}

#[test]
fn stays_small_whatever_reports_claim() {
    let record = REPORT.split("  <record>").nth(1).unwrap();
    let one = |n: usize| {
        let host = format!("2001:db8:{n:x}::1");
        format!("  <record>{record}")
            .replace(">pass<", ">fail<")
            .replace("192.0.2.1", &host)
            .replace("count>2", "count>9")
    };
    let records: String = (0..700).map(one).collect();
    let many = REPORT.replace(&format!("  <record>{record}"), &(records + "</feedback>"));
    let old = many.replace("1792886400", "1").replace("1792972799", "86399").replace("r-1", "r-2");
    let root = folder(&[("a.xml", &many), ("b.xml", &old)]);
    let run = dmarc(&["report", "--html", "-", root.path().to_str().unwrap()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.len() < 2 << 20, "{}", run.stdout.len());
    let page = Page::of(&run);
    assert!(page.elements("tr") < 4_000);
    // The two days are too far apart for one chart.
    assert_eq!(page.elements("rect"), 0);
}

// ---- the file ---------------------------------------------------------------------

#[test]
fn replaces_a_file_through_a_link_and_leaves_nothing_else_behind() {
    let root = folder(&[("in/a.xml", REPORT), ("out/old.html", "old")]);
    let out = root.path().join("out");
    std::os::unix::fs::symlink("old.html", out.join("link.html")).unwrap();
    let run = dmarc(&[
        "report",
        "--html",
        out.join("link.html").to_str().unwrap(),
        root.path().join("in").to_str().unwrap(),
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(std::fs::read_to_string(out.join("old.html")).unwrap().starts_with("<!DOCTYPE html>"));
    let names: BTreeSet<_> =
        std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["link.html", "old.html"].map(Into::into).into());
    assert!(out.join("link.html").is_symlink());
}

#[test]
fn leaves_the_old_file_where_nothing_can_be_said() {
    let root = folder(&[("old.html", "old"), ("dmarc.toml", "[owner]\ndomain = 1\n")]);
    let path = |name| root.path().join(name).to_str().unwrap().to_owned();
    let run = dmarc(&["report", "--html", &path("old.html"), MAILBOX, "--config", &path("dmarc.toml")]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(path("old.html")).unwrap(), "old");
}

#[test]
fn says_that_the_folder_of_the_file_is_not_there() {
    let root = folder(&[("a.xml", REPORT)]);
    let run = dmarc(&["report", "--html", "/no/such/report.html", root.path().to_str().unwrap()]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    dmarc: /no/such/report.html: the page cannot be written: entity not found
      hint: its folder is not there: make it first
    --- exit code 4
    ");
}

#[cfg(target_os = "linux")]
#[test]
fn says_that_the_disk_is_full_and_writes_to_what_is_no_file() {
    let root = folder(&[("a.xml", REPORT)]);
    let run = dmarc(&["report", "--html", "/dev/full", root.path().to_str().unwrap()]);
    insta::assert_snapshot!(run.whole(), @r"
    --- stderr
    dmarc: /dev/full: the page cannot be written: No space left on device (os error 28)
    --- exit code 4
    ");
    assert!(!std::fs::metadata("/dev/full").unwrap().is_file());
}

#[test]
fn shows_the_dataset_where_no_path_is_named() {
    let root = folder(&[("in/a.xml", REPORT)]);
    let path = |name| root.path().join(name).to_str().unwrap().to_owned();
    let imported = dmarc(&["import", &path("in"), "--data", &path("data")]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let page = Page::of(&dmarc(&["report", "--html", "-", "--data", &path("data")]));
    assert!(page.texts.iter().any(|(element, text)| element == "h2" && text == "example.org"));
}

#[test]
fn explains_that_a_file_has_to_be_named() {
    assert_eq!(dmarc(&["report", MAILBOX]).code, 2);
}

/// The page of a report that says `text` wherever it may.
fn page_of(text: &str) -> Page {
    let in_xml = quick_xml::escape::escape(text);
    let report = REPORT
        .replace(">pass<", ">fail<")
        .replace(">2<", ">900<")
        .replace("<org_name>Receiver", &format!("<org_name>{in_xml}"))
        .replace("<report_id>r-1", &format!("<report_id>id {in_xml}"))
        .replace("<selector>s1", &format!("<selector>{in_xml}"));
    let root = folder(&[("a.xml", &report)]);
    Page::of(&dmarc(&["report", "--html", "-", root.path().to_str().unwrap()]))
}

/// A page as an XML parser sees it: that there is one says that it is well-formed.
#[derive(Debug, Default)]
struct Page {
    /// Every element with its attributes.
    elements: Vec<(String, Vec<(String, String)>)>,
    /// Every element with the text right in it.
    texts: Vec<(String, String)>,
}

impl Page {
    fn of(run: &Run) -> Self {
        let mut page = Self::default();
        let mut open: Vec<(String, String)> = Vec::new();
        let mut reader = quick_xml::Reader::from_str(&run.stdout);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    page.begin(&start);
                    open.push((name(&start), String::new()));
                }
                Event::Empty(start) => page.begin(&start),
                Event::End(_) => page.texts.push(open.pop().unwrap()),
                Event::Text(text) => {
                    let text = text.decode().unwrap();
                    match open.last_mut() {
                        Some((_, all)) => all.push_str(&text),
                        None => assert_eq!(text.trim(), ""),
                    }
                }
                Event::GeneralRef(reference) => {
                    let named = || {
                        let name = reference.decode().unwrap();
                        quick_xml::escape::resolve_predefined_entity(&name).unwrap().to_owned()
                    };
                    let c = reference.resolve_char_ref().unwrap().map_or_else(named, String::from);
                    open.last_mut().unwrap().1.push_str(&c);
                }
                Event::DocType(kind) => assert_eq!(&*kind.decode().unwrap(), "html"),
                Event::Eof => break,
                other => unreachable!("{other:?}"),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        page
    }

    fn begin(&mut self, start: &BytesStart<'_>) {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned();
            (String::from_utf8(attribute.key.as_ref().to_vec()).unwrap(), value)
        });
        self.elements.push((name(start), attributes.collect()));
    }

    fn elements(&self, name: &str) -> usize {
        self.elements.iter().filter(|(element, _)| element == name).count()
    }

    fn attributes(&self, element: &str) -> impl Iterator<Item = &(String, String)> {
        self.elements.iter().filter(move |(name, _)| name == element).flat_map(|(_, attributes)| attributes)
    }

    /// The values of an attribute, wherever it is.
    fn all(&self, attribute: &str) -> impl Iterator<Item = &str> {
        let all = self.elements.iter().flat_map(|(_, attributes)| attributes);
        all.filter(move |(name, _)| name == attribute).map(|(_, value)| value.as_str())
    }

    fn elements_with(&self, attribute: &str, value: &str) -> usize {
        self.all(attribute).filter(|one| *one == value).count()
    }

    /// Nothing runs, nothing is loaded, nothing leads away.
    fn assert_harmless(&self) {
        for (element, attributes) in &self.elements {
            let harmful =
                ["script", "img", "image", "iframe", "object", "embed", "link", "base", "form", "use"];
            assert!(!harmful.contains(&element.as_str()), "{element}");
            for (name, value) in attributes {
                assert!(
                    !name.starts_with("on")
                        && !["src", "srcset", "xlink:href", "action"].contains(&name.as_str())
                );
                assert!(name != "href" || value.starts_with('#'), "{value}");
                assert!(!value.contains("url(") || value.starts_with("url(#"), "{value}");
            }
        }
    }
}

fn name(start: &BytesStart<'_>) -> String {
    String::from_utf8(start.name().as_ref().to_vec()).unwrap()
}
