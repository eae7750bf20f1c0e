//! The hostile set: every kind of input that is known to hurt parsers, each of any size.

use crate::build::{Flood, MAIL, base64, find, gzip, mail, overlapping, tar, utf16, zip};

/// One kind of hostile input.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Makes it, of about the given size in bytes and never more.
    pub(crate) make: Box<dyn Fn(usize) -> Vec<u8>>,
    /// Whether a ceiling may be reached on the way, so that twice the size is not twice the work.
    pub(crate) inflates: bool,
}

const META: &str = "<report_metadata><org_name>o</org_name><email>e</email><report_id>i</report_id><date_range>\
    <begin>1789171200</begin><end>1789257599</end></date_range></report_metadata>";
const POLICY: &str = "<policy_published><domain>example.org</domain><p>none</p></policy_published>";
const RECORD: &str = "<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated>\
    <disposition>none</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated></row><identifiers>\
    <header_from>example.org</header_from></identifiers><auth_results><dkim><domain>example.org</domain>\
    <selector>s</selector><result>fail</result></dkim><spf><domain>example.org</domain><result>pass</result></spf>\
    </auth_results></record>";
const SMALL: &str = "<record><row><source_ip>1.1.1.1</source_ip><count>1</count></row></record>";
const LEAST: &str = "<record><row><source_ip/><count>1</count></row></record>";
const END: &str = "</feedback>";

fn head() -> String {
    format!("<feedback><version>1.0</version>{META}{POLICY}")
}

/// A record with `what` in its row, or wherever `what` closes and opens elements.
fn record_with(row: &str, evaluated: &str, results: &str, more: &str) -> String {
    format!(
        "<record><row><source_ip>192.0.2.1</source_ip><count>7</count>{row}<policy_evaluated>{evaluated}\
         </policy_evaluated></row><auth_results>{results}</auth_results>{more}</record>"
    )
}

/// Floods of XML, each sent bare and in a gzip that is as small as the ratio allows.
fn xml() -> Vec<(&'static str, Flood)> {
    let inside = |unit: &str| Flood::new(&head(), unit, END);
    let document = |unit: &str| Flood::new("", unit, "");
    let namespaces =
        |count: usize| -> String { (0..count).map(|n| format!(" xmlns:n{n:02}='urn:x'")).collect() };
    let nested: String = (0..28)
        .map(|n| format!("<a{n} {}>", namespaces(60).replace("xmlns:n", &format!("xmlns:p{n:02}n"))))
        .collect();
    let uri = "u".repeat(250);
    let extended = format!("<feedback xmlns:e='{uri}'>{META}{POLICY}");
    let many_reasons = record_with("", &"<reason/>".repeat(999), "", "");
    let reasons = record_with("", &"<reason><type>x</type></reason>".repeat(999), "", "");
    let dkim = record_with("", "", &"<dkim><domain/></dkim>".repeat(999), "");
    let spf = record_with("", "", &"<spf><domain/></spf>".repeat(999), "");
    let long = "n".repeat(250);
    let attributes: String = (0..60).map(|n| format!(" a{n}=''")).collect();
    vec![
        ("records", inside(RECORD)),
        ("small records", inside(SMALL)),
        ("least records", inside(LEAST)),
        ("rejected records", inside("<record/>")),
        (
            "rejected records, long reason",
            inside("<record><row><count>xxxxxxxxxxxxxxxxxxxxxxxxxxxxx</count></row></record>"),
        ),
        ("unknown elements", inside("<x/>")),
        ("unknown elements of long names", inside(&format!("<{long}/>"))),
        (
            "unknown in records",
            inside(&format!(
                "<record><row><count>1</count><source_ip/>{}</row></record>",
                "<x/>".repeat(9_000)
            )),
        ),
        (
            "unknown in records, few",
            inside("<record><row><count>1</count><source_ip/><x/><x/><x/></row></record>"),
        ),
        ("deep unknown elements", inside(&format!("{}{}", "<x>".repeat(25), "</x>".repeat(25)))),
        ("large unknown elements", inside(&format!("<x>{}</x>", "<y/>".repeat(15_000)))),
        ("extensions", Flood::new(&extended, "<e:x/>", END)),
        (
            "extensions in records",
            Flood::new(
                &extended,
                &format!(
                    "<record><row><count>1</count><source_ip/></row>{}</record>",
                    "<e:x/>".repeat(9_000)
                ),
                END,
            ),
        ),
        ("extension lists", inside("<extension><a/></extension>")),
        ("empty extension lists", inside("<extension/>")),
        (
            "errors",
            document(&format!(
                "<feedback>{}{POLICY}{END}",
                META.replace("<date", &format!("{}<date", "<error/>".repeat(999)))
            )),
        ),
        ("reasons without type", inside(&many_reasons)),
        ("reasons", inside(&reasons)),
        ("dkim results", inside(&dkim)),
        ("spf results", inside(&spf)),
        ("repeated versions", inside("<version/>")),
        ("repeated metadata", inside("<report_metadata/>")),
        ("repeated in records", inside(&format!("<record>{}</record>", "<row/>".repeat(9_000)))),
        ("documents", document(&format!("<feedback>{META}{POLICY}{END}"))),
        (
            "least documents",
            document(
                "<feedback><report_metadata><date_range><begin>1</begin><end>1</end></date_range></report_metadata><policy_published><domain>a</domain></policy_published></feedback>",
            ),
        ),
        (
            "documents with many quirks",
            document(&{
                let odd: String = (0..70).map(|n| format!("<x{n}{}/>", "y".repeat(105))).collect();
                format!("<feedback>{META}{POLICY}{odd}{END}")
            }),
        ),
        ("empty documents", document("<feedback/>")),
        ("other elements", document("<a/>")),
        ("other text", Flood::new("<a>", "a<!---->", "")),
        ("open elements", document("<a>")),
        ("end tags", document("</a>")),
        ("unclosed text", Flood::new("<feedback><version>", "a", "")),
        ("unclosed text between", Flood::new(&head(), "a", "")),
        ("unclosed text in a record", Flood::new(&format!("{}<record><row>", head()), "a ", "")),
        ("unclosed attribute", Flood::new("<feedback a='", "a", "")),
        ("unclosed tag", Flood::new("<feedback a", " a", "")),
        ("unclosed name", Flood::new("<feed", "a", "")),
        ("unclosed comment", Flood::new(&format!("{}<!--", head()), "- ", "")),
        ("unclosed cdata", Flood::new(&format!("{}<![CDATA[", head()), "]", "")),
        ("unclosed instruction", Flood::new(&format!("{}<?x", head()), "? ", "")),
        ("comments", inside("<!---->")),
        (
            "comments in a record",
            Flood::new(&format!("{}<record>", head()), "<!---->", "</record></feedback>"),
        ),
        ("comments outside", document("<!---->")),
        ("comments in a text", Flood::new("<feedback><version>", "<!---->", "</version></feedback>")),
        ("instructions", inside("<?x?>")),
        ("cdata", inside("<![CDATA[]]>")),
        ("cdata in a text", Flood::new("<feedback><version>", "<![CDATA[a]]>", "</version></feedback>")),
        ("white space", inside(" \r\n\t")),
        ("white space outside", Flood::new("<feedback", " ", ">")),
        ("white space between records", inside(&format!("{RECORD}{}", " ".repeat(4_000)))),
        ("ampersands", inside("&")),
        ("angles", inside("<")),
        ("angles outside", document("<")),
        ("addresses in brackets", inside("<a@b>")),
        ("references", inside("&lt;")),
        ("unknown entities", inside("&unknown;")),
        (
            "references in texts",
            inside(&format!(
                "<record><identifiers><header_from>{}</header_from></identifiers></record>",
                "&lt;".repeat(15_000)
            )),
        ),
        ("stray text", inside("a<!---->")),
        ("stray text in records", inside(&format!("<record>{}</record>", "a<!---->".repeat(9_000)))),
        ("attributes", inside(&format!("<x{attributes}/>"))),
        (
            "attributes of records",
            inside(&format!("<record{attributes}>{}</record>", &SMALL[8..SMALL.len() - 9])),
        ),
        ("namespaces of an element", inside(&format!("<version{}/>", namespaces(60)))),
        ("namespaces in scope", Flood::new(&nested, "<q/>", "")),
        ("namespaces in scope, prefixed", Flood::new(&nested, "<zzzzz:q/>", "")),
        ("namespaces in scope of records", Flood::new(&format!("{nested}{}", head()), SMALL, "")),
        (
            "long texts",
            inside(&format!(
                "<record><row><count>1</count><source_ip/></row><identifiers><header_from>{}</header_from></identifiers></record>",
                "a".repeat(65_000)
            )),
        ),
        (
            "long labels that are not ASCII",
            inside(&format!(
                "<record><row><count>1</count><source_ip/></row><identifiers><header_from>{}</header_from></identifiers></record>",
                "é".repeat(32_000)
            )),
        ),
        (
            "long punycode labels",
            inside(&format!(
                "<record><row><count>1</count><source_ip/></row><identifiers><header_from>xn--{}</header_from></identifiers></record>",
                "a-9".repeat(20_000)
            )),
        ),
        (
            "many labels",
            inside(&format!(
                "<record><row><count>1</count><source_ip/></row><identifiers><header_from>{}é</header_from></identifiers></record>",
                "a.".repeat(30_000)
            )),
        ),
        (
            "huge numbers",
            inside(&format!("<record><row><count>{}</count><source_ip/></row></record>", "9".repeat(60_000))),
        ),
        (
            "grouped numbers",
            inside(&format!(
                "<record><row><count>1{}</count><source_ip/></row></record>",
                ",000".repeat(15_000)
            )),
        ),
        (
            "long addresses",
            inside(&format!(
                "<record><row><count>1</count><source_ip>{}</source_ip></row></record>",
                "1:".repeat(30_000)
            )),
        ),
        (
            "control characters",
            inside(&format!(
                "<record><row><count>1</count><source_ip/></row><identifiers><header_from>{}</header_from></identifiers></record>",
                "\0".repeat(60_000)
            )),
        ),
        ("NUL between", inside("\0")),
        ("upper case", inside("<RECORD><ROW><COUNT>1</COUNT><SOURCE_IP/></ROW></RECORD>")),
        (
            "entities and DTD",
            Flood::new("<!DOCTYPE feedback [", "<!ENTITY a '&b;&b;'>", "]><feedback>&a;</feedback>"),
        ),
        (
            "large record",
            Flood::new(&format!("{}<record><x>", head()), "<y>a</y>", "</x></record></feedback>"),
        ),
    ]
}

const TLS: &str = r#"{"organization-name":"o","date-range":{"start-datetime":"2025-03-04T00:00:00Z","end-datetime":"2025-03-04T23:59:59Z"},"contact-info":"a@b.example","report-id":"r","policies":["#;
const SUMMARY: &str = r#""summary":{"total-successful-session-count":7,"total-failure-session-count":2}"#;

/// Floods of JSON, likewise.
fn json() -> Vec<(&'static str, Flood)> {
    let policies = |unit: &str| Flood::new(TLS, &format!("{unit},"), "{}]}");
    let details = |unit: &str| {
        Flood::new(&format!("{TLS}{{{SUMMARY},\"failure-details\":["), &format!("{unit},"), "{}]}]}")
    };
    let tagged = |before: &str, unit: &str, after: &str| {
        Flood::new(&format!("{{\"policies\":[],\"report-id\":\"\",{before}"), unit, after)
    };
    vec![
        ("empty policies", policies("{}")),
        ("empty lists for policies", policies("[]")),
        ("numbers for policies", policies("1")),
        ("policies with counts", policies(&format!("{{{SUMMARY}}}"))),
        ("policies with one count", policies(r#"{"summary":{"total-successful-session-count":1}}"#)),
        (
            "policies with lists",
            policies(&format!(r#"{{{SUMMARY},"policy":{{"policy-string":[{}""]}}}}"#, "\"\",".repeat(990))),
        ),
        ("empty failure details", details("{}")),
        ("failure details", details(r#"{"failed-session-count":1}"#)),
        ("failure details of escaped text", details(r#"{"failed-session-count":1,"receiving-ip":"\n"}"#)),
        ("duplicate keys", tagged("", r#""contact-info":"","#, "\"a\":1}")),
        ("unknown keys", tagged("", r#""x":1,"#, "\"a\":1}")),
        ("unknown lists", tagged("\"x\":[", "[],", "1]}")),
        ("deep nesting", tagged("\"x\":", "[", "")),
        ("deep objects", tagged("\"x\":", "{\"x\":", "")),
        ("lone surrogates", tagged("\"x\":\"", "\\ud800", "\"}")),
        ("escapes", tagged("\"x\":\"", "\\u00e9", "\"}")),
        ("long numbers", tagged("\"x\":", "9", "}")),
        ("long fractions", tagged("\"x\":0.", "9", "}")),
        ("long exponents", tagged("\"x\":1e", "9", "}")),
        ("white space in JSON", tagged("", " ", "}")),
        ("lines of JSON", tagged("", "\n", "}")),
        ("reports in a list", Flood::new(&format!("[{TLS}]}},"), &format!("{TLS}]}},"), "{}]")),
        ("empty reports in a list", Flood::new("[{\"policies\":[],\"report-id\":1},", "{},", "{}]")),
        ("empty documents of JSON", tagged("\"a\":1}", "[]\n", "")),
        ("documents of JSON", Flood::new("", &format!("{TLS}]}}\n"), "")),
        ("unclosed string", tagged("\"x\":\"", "a", "")),
    ]
}

/// Mails with floods in their headers or bodies.
fn mails() -> Vec<(&'static str, Flood)> {
    let arf = "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: x\r\nAuth-Failure: dmarc\r\n";
    let report = format!(
        "{MAIL}Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n{arf}"
    );
    let close = "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@example.org\r\n\r\n\r\n--b--\r\n";
    let included = format!("{report}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@example.org\r\n");
    let results = "; dkim=fail header.d=a.example".repeat(40);
    let headed = |unit: &str| Flood::new(MAIL, unit, "\r\nbody");
    let value = |name: &str, unit: &str| Flood::new(&format!("{MAIL}{name}: "), unit, "\r\n\r\nbody");
    let bodied = |fields: &str, unit: &str| Flood::new(&format!("{MAIL}{fields}\r\n\r\n"), unit, "");
    let multipart = |unit: &str| bodied("Content-Type: multipart/mixed; boundary=b", unit);
    vec![
        ("header fields", headed("X: y\r\n")),
        ("header fields of one name", headed("From: a@b.example\r\n")),
        ("content types", headed("Content-Type: text/plain\r\n")),
        ("authentication results", headed("Authentication-Results: x\r\n")),
        ("short authentication results", headed("Authentication-Results:\n")),
        ("full authentication results", headed(&format!("Authentication-Results: x{results}\r\n"))),
        ("folded lines", value("X", "\r\n a")),
        ("empty folded lines", value("X", " \r\n")),
        ("folded authentication results", value("Authentication-Results", "\r\n a")),
        ("addresses", value("From", "a@b.example, ")),
        ("nested comments", value("From", "(")),
        ("groups", value("From", "a:;")),
        ("quoted strings", value("From", "\"a\" ")),
        ("encoded words", value("From", "=?utf-8?q?a?= ")),
        ("comments in a date", value("X: y\r\nDate", "(a)")),
        ("long file name", value("Content-Disposition", "attachment; filename=a")),
        (
            "long file name, one value",
            Flood::new(&format!("{MAIL}Content-Type: text/xml; name=\""), "a", "\"\r\n\r\n<a/>"),
        ),
        ("file names in pieces", value("Content-Type", "; name*0=a")),
        ("parameters", value("Content-Type", "a/b; a=b")),
        ("line ends", bodied("", "\n")),
        ("carriage returns", bodied("", "\r")),
        ("quoted-printable", bodied("Content-Transfer-Encoding: quoted-printable", "=3C")),
        ("bad quoted-printable", bodied("Content-Transfer-Encoding: quoted-printable", "=")),
        ("soft line ends", bodied("Content-Transfer-Encoding: quoted-printable", "=\n")),
        ("spaces of quoted-printable", bodied("Content-Transfer-Encoding: quoted-printable", " ")),
        ("padded base64", bodied("Content-Transfer-Encoding: base64", "YQ==")),
        ("base64 of little", bodied("Content-Transfer-Encoding: base64", "A!")),
        ("bare base64", Flood::new("PGZlZWRiYWNrPjxhPg", "PGEvPjxi", "")),
        ("boundaries", multipart("--b\r\n")),
        ("boundaries that are none", multipart("--bx\r\n")),
        ("boundaries in one line", multipart("--b")),
        ("boundaries, long", bodied("Content-Type: multipart/mixed; boundary=----------", "-")),
        ("no boundary", bodied("Content-Type: multipart/mixed", "\r\n--a")),
        (
            "nested multiparts",
            Flood::new(MAIL, "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", ""),
        ),
        ("nested messages", Flood::new(MAIL, "Content-Type: message/rfc822\r\n\r\n", "")),
        (
            "nested digests",
            Flood::new(MAIL, "Content-Type: multipart/digest; boundary=aaaaa\r\n\r\n--aaaaa\r\n\r\n", ""),
        ),
        ("feedback fields", Flood::new(&report, "X: y\r\n", close)),
        ("feedback lines", Flood::new(&report, "x\r\n", close)),
        ("feedback results", Flood::new(&report, &format!("Authentication-Results: x{results}\r\n"), close)),
        (
            "least feedback results",
            Flood::new(&report, &format!("Authentication-Results:x{}\r\n", ";a=b".repeat(99)), close),
        ),
        (
            "feedback properties",
            Flood::new(&report, &format!("Authentication-Results:x;{}\r\n", " a=b".repeat(99)), close),
        ),
        ("feedback domains", Flood::new(&report, "Reported-Domain: é.example\r\n", close)),
        ("feedback comments", Flood::new(&format!("{report}Source-IP: "), "(", close)),
        ("feedback quotes", Flood::new(&format!("{report}Source-IP: "), "(\"", close)),
        ("feedback folded", Flood::new(&format!("{report}X: "), "\r\n a", close)),
        ("included fields", Flood::new(&included, "X: y\r\n", "\r\n--b--")),
        (
            "included results",
            Flood::new(
                &format!("{included}Received: a\r\n"),
                "Authentication-Results: x; dkim=pass\r\n",
                "\r\n--b--",
            ),
        ),
        ("included senders", Flood::new(&included, "From: a@b.example\r\n", "\r\n--b--")),
        (
            "included results of 64 KiB",
            Flood::new(
                &included,
                &format!("Authentication-Results: x{}\r\n", ";a=b".repeat(15_000)),
                "\r\n--b--",
            ),
        ),
        ("included bytes that are not UTF-8", Flood::new(&included, "X: \u{ad}\r\n", "\r\n--b--")),
        (
            "feedback reports",
            Flood::new(
                &format!("{MAIL}Content-Type: multipart/mixed; boundary=b\r\n\r\n"),
                &format!(
                    "--b\r\nContent-Type: message/feedback-report\r\n\r\n{arf}{}\r\n",
                    "X: y\r\n".repeat(600)
                ),
                "--b--",
            ),
        ),
        (
            "notices",
            Flood::new(
                &format!("{MAIL}\r\nDMARC\r\nSender Domain: a.example\r\nSender IP Address: 192.0.2.1\r\n"),
                "Sender Domain: a.example\r\n",
                "",
            ),
        ),
        (
            "lines of a notice",
            Flood::new(
                &format!(
                    "{MAIL}\r\nDMARC\r\nSender Domain: a.example\r\nSender IP Address: 192.0.2.1\r\n\r\n-----\r\n\r\n"
                ),
                "X: y\r\n",
                "",
            ),
        ),
        (
            "dashes of a notice",
            Flood::new(
                &format!("{MAIL}\r\nDMARC\r\nSender Domain: a.example\r\nSender IP Address: 192.0.2.1\r\n"),
                "\n-----",
                "",
            ),
        ),
        (
            "error reports",
            Flood::new(
                &format!("{MAIL}\r\nReport-Domain: a.example\r\nReport-ID: a\r\n"),
                "Submitting-URI: a\r\n",
                "",
            ),
        ),
    ]
}

type Make = Box<dyn Fn(usize) -> Vec<u8>>;

/// What is packed in ways of its own.
fn packed() -> Vec<(&'static str, Make)> {
    let bomb = |unit: &str| Flood::new(&head(), unit, END);
    let spaces = |bytes: usize| vec![b' '; bytes];
    let parts = |count: usize, header: &'static str, body: Vec<u8>| {
        mail("mixed", &vec![(header, body.as_slice()); count])
    };
    let gz = "Content-Type: application/gzip";
    let gz64 = "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64";
    let fitting = |size: usize, body: &[u8]| (size.saturating_sub(1_000) / (body.len() + 100)).min(255);
    let odd: String = (0..70).map(|n| format!("<x{n}{}/>", "y".repeat(105))).collect();
    let odd = format!("<feedback>{META}{POLICY}{odd}{END}");
    vec![
        ("gzip of spaces", Box::new(move |size| gzip(&spaces(size * 900)))),
        ("gzip of a gzip of spaces", Box::new(move |size| gzip(&gzip(&spaces(size * 1_000))))),
        (
            "gzip of gzips",
            Box::new(move |size| {
                let inner = bomb(RECORD).gzip(size * 14);
                gzip(&gzip(&inner))
            }),
        ),
        (
            "gzip of a zip of gzips",
            Box::new(move |size| {
                let inner = bomb(SMALL).gzip(size);
                gzip(&zip(&(0..14).map(|n| (n.to_string(), inner.clone())).collect::<Vec<_>>()))
            }),
        ),
        ("gzip members without content", Box::new(move |size| gzip(b"").repeat(size / 20))),
        (
            "gzip header without end",
            Box::new(move |size| [&b"\x1f\x8b\x08\x08\0\0\0\0\0\0"[..], &vec![b'a'; size - 10]].concat()),
        ),
        ("gzip with trailing bytes", Box::new(move |size| [gzip(b"<a/>"), vec![b'a'; size - 40]].concat())),
        ("zip of spaces", Box::new(move |size| zip(&[("a.xml".to_owned(), spaces(size * 900))]))),
        (
            "zip of records",
            Box::new(move |size| zip(&[("a.xml".to_owned(), bomb(RECORD).text(size * 100).into_bytes())])),
        ),
        (
            "zip of zips",
            Box::new(move |size| {
                let inner = zip(&[("a.xml".to_owned(), bomb(SMALL).text(size * 2).into_bytes())]);
                let inner = zip(&(0..60).map(|n| (n.to_string(), inner.clone())).collect::<Vec<_>>());
                zip(&(0..10).map(|n| (n.to_string(), inner.clone())).collect::<Vec<_>>())
            }),
        ),
        (
            "overlapping entries",
            Box::new(move |size| overlapping(bomb(RECORD).text(size * 100).as_bytes(), 60)),
        ),
        (
            "overlapping entries of JSON",
            Box::new(move |size| {
                overlapping(Flood::new(TLS, &format!("{{{SUMMARY}}},"), "{}]}").text(size * 8).as_bytes(), 60)
            }),
        ),
        (
            "overlapping entries of gzips",
            Box::new(move |size| overlapping(&bomb(SMALL).gzip(size - 20_000), 60)),
        ),
        (
            "entries of empty names",
            Box::new(move |size| {
                let list: Vec<_> = (0..60)
                    .map(|n| (format!("{n}{}", "a".repeat((size / 130).min(60_000))), b"<a/>".to_vec()))
                    .collect();
                zip(&list)
            }),
        ),
        (
            "directory that repeats itself",
            Box::new(move |size| [b"PK\x03\x04".to_vec(), b"PK\x01\x02".repeat(size / 4 - 1)].concat()),
        ),
        (
            "ends of directories",
            Box::new(move |size| [b"PK\x03\x04".to_vec(), b"PK\x05\x06".repeat(size / 4 - 1)].concat()),
        ),
        (
            "ends of empty directories",
            Box::new(move |size| b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".repeat(size / 22)),
        ),
        (
            "directory that lies of sizes",
            Box::new(move |size| {
                let mut archive = zip(&[("a.xml".to_owned(), spaces(size * 900))]);
                for at in find(&archive, b"PK\x01\x02") {
                    archive[at + 24..at + 28].fill(1);
                }
                archive
            }),
        ),
        (
            "directory that lies of compressed sizes",
            Box::new(move |size| {
                let mut archive = zip(&[("a.xml".to_owned(), bomb(SMALL).text(size * 50).into_bytes())]);
                for at in find(&archive, b"PK\x01\x02") {
                    archive[at + 20..at + 24].fill(0x7f);
                }
                archive
            }),
        ),
        (
            "directory that counts 65535 entries",
            Box::new(move |size| {
                let mut archive = zip(&[("a.xml".to_owned(), vec![b'<'; size])]);
                let end = find(&archive, b"PK\x05\x06")[0];
                archive[end + 8..end + 12].fill(0xff);
                archive
            }),
        ),
        (
            "zip with data descriptors",
            Box::new(move |size| {
                let mut archive = zip(&[("a.xml".to_owned(), bomb(SMALL).text(size * 50).into_bytes())]);
                for at in find(&archive, b"PK\x01\x02") {
                    archive[at + 8] |= 8;
                }
                archive[6] |= 8;
                archive[14..26].fill(0);
                archive
            }),
        ),
        ("tar of empty files", Box::new(move |size| tar(size / 512 - 2, b""))),
        ("tar in gzip", Box::new(move |size| gzip(&tar(size * 15 / 512, b"")))),
        ("tar of reports", Box::new(move |size| tar(64, bomb(SMALL).text(size / 64 - 1_600).as_bytes()))),
        (
            "parts with gzips",
            Box::new(move |size| {
                let body = gzip(bomb(SMALL).text(900_000).as_bytes());
                parts(fitting(size, &body), gz, body)
            }),
        ),
        (
            "parts with gzips of quirks",
            Box::new(move |size| {
                let body = gzip(odd.repeat(120).as_bytes());
                parts(fitting(size, &body), gz, body)
            }),
        ),
        (
            "parts with gzips of documents",
            Box::new(move |size| {
                let body = gzip(format!("<feedback>{META}{POLICY}{END}").repeat(990).as_bytes());
                parts(fitting(size, &body), gz, body)
            }),
        ),
        (
            "parts with gzips of rejected records",
            Box::new(move |size| {
                let body = gzip(bomb("<record/>").text(89_000).as_bytes());
                parts(fitting(size, &body), gz, body)
            }),
        ),
        (
            "parts with gzips of unknown elements",
            Box::new(move |size| {
                let body = gzip(bomb("<x/>").text(39_000).as_bytes());
                parts(fitting(size, &body), gz, body)
            }),
        ),
        (
            "parts with gzips of JSON",
            Box::new(move |size| {
                let body = gzip(Flood::new(TLS, &format!("{{{SUMMARY}}},"), "{}]}").text(900_000).as_bytes());
                parts(fitting(size, &body), gz, body)
            }),
        ),
        (
            "parts with gzips of spaces in base64",
            Box::new(move |size| {
                let body = base64(&gzip(&spaces(1 << 20)));
                parts(fitting(size, &body), gz64, body)
            }),
        ),
        (
            "parts of little",
            Box::new(move |size| mail("mixed", &vec![("Content-Type: text/plain", &b"x"[..]); size / 50])),
        ),
        (
            "parts of base64",
            Box::new(move |size| {
                let body = base64(bomb(SMALL).text(2_000).as_bytes());
                parts(
                    fitting(size, &body),
                    "Content-Type: text/xml\r\nContent-Transfer-Encoding: base64",
                    body,
                )
            }),
        ),
        (
            "base64 of everything",
            Box::new(move |size| {
                let gzip = base64(&bomb(RECORD).gzip(size / 2));
                mail(
                    "mixed",
                    &[("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64", &base64(&gzip)[..])],
                )
            }),
        ),
        (
            "messages in messages in gzips",
            Box::new(move |size| {
                let inner = mail("mixed", &[(gz, &bomb(SMALL).gzip(size / 2)[..])]);
                gzip(&mail("mixed", &[(gz, &gzip(&inner)[..])]))
            }),
        ),
        ("UTF-16", Box::new(move |size| utf16(&bomb(RECORD).text(size / 2)))),
        ("UTF-16 in gzip", Box::new(move |size| gzip(&utf16(&bomb(RECORD).text(size * 40))))),
        (
            "UTF-16 of three bytes",
            Box::new(move |size| {
                gzip(&utf16(&Flood::new(&format!("{TLS}{{\"x\":\""), "中", "").text(size * 9)))
            }),
        ),
        (
            "UTF-16 of JSON",
            Box::new(move |size| {
                gzip(&utf16(&Flood::new(TLS, &format!("{{{SUMMARY}}},"), "{}]}").text(size * 8)))
            }),
        ),
        (
            "invalid UTF-8",
            Box::new(move |size| [b"<feedback><version>".to_vec(), vec![0xff; size - 20]].concat()),
        ),
        (
            "invalid UTF-8 in gzip",
            Box::new(move |size| gzip(&[b"<feedback>".to_vec(), vec![0xff; size * 200]].concat())),
        ),
        (
            "invalid UTF-8 in JSON",
            Box::new(move |size| gzip(&[TLS.as_bytes().to_vec(), vec![0xff; size * 15]].concat())),
        ),
        (
            "invalid UTF-8 in records",
            Box::new(move |size| {
                let record = [&RECORD.as_bytes()[..RECORD.len() - 9], b"\xff\xff</record>"].concat();
                gzip(&[head().into_bytes(), record.repeat(size * 40 / record.len())].concat())
            }),
        ),
        (
            "charset of the declaration",
            Box::new(move |size| {
                [b"<?xml version='1.0' encoding='iso-8859-1'?><feedback>".to_vec(), vec![0xfc; size - 60]]
                    .concat()
            }),
        ),
        (
            "charset of the declaration in gzip",
            Box::new(move |size| {
                gzip(
                    &[b"<?xml version='1.0' encoding='gb18030'?><feedback>".to_vec(), vec![0xfc; size * 100]]
                        .concat(),
                )
            }),
        ),
        (
            "charset of the part",
            Box::new(move |size| {
                let body = gzip(&[head().as_bytes(), &vec![0xfc; size * 14]].concat());
                mail("mixed", &[("Content-Type: text/xml; charset=iso-2022-jp", &body[..])])
            }),
        ),
    ]
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, flood) in mails() {
        cases.push(Case {
            name: name.to_owned(),
            make: Box::new(move |size| flood.text(size).into_bytes()),
            inflates: false,
        });
    }
    for (kind, floods) in [("XML", xml()), ("JSON", json())] {
        for (name, flood) in floods {
            let bare = flood.clone();
            cases.push(Case {
                name: format!("{kind}: {name}"),
                make: Box::new(move |size| bare.text(size).into_bytes()),
                inflates: false,
            });
            let packed = flood.clone();
            // What is not XML is held, so that more than this would only be refused.
            let make: Make = if kind == "XML" {
                Box::new(move |size| packed.gzip(size))
            } else {
                Box::new(move |size| gzip(packed.text(size * 8).as_bytes()))
            };
            cases.push(Case { name: format!("gzip: {name}"), make, inflates: true });
        }
    }
    for (name, make) in packed() {
        cases.push(Case { name: name.to_owned(), make, inflates: true });
    }
    cases
}
