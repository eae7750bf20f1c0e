//! Each format on the same answer, and laws that hold whatever strangers write.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::render::text::is_unsafe;

const FORMATS: [Format; 5] = [Format::Table, Format::Json, Format::Ndjson, Format::Csv, Format::Markdown];

fn answer() -> Answer {
    use ColumnKind::{Flag, List, Number, Share, Text, Time};
    let columns = [
        ("domain", Text),
        ("messages", Number),
        ("change", Number),
        ("pass", Share),
        ("first_day", Time),
        ("last", Time),
        ("own", Flag),
        ("reporters", List),
    ];
    let columns = columns.map(|(name, kind)| Column::new(name, kind));
    let mut answer = Answer::new("test", columns.to_vec());
    answer.push(vec![
        Cell::Text("example.org".to_owned()),
        Cell::Count(48_210),
        Cell::Integer(-1_200),
        Cell::Share { part: 9_999, whole: 10_000 },
        Cell::Day(1_792_886_400),
        Cell::Time(1_792_972_799),
        Cell::Flag(true),
        Cell::List(vec!["a".to_owned(), "b\"|".to_owned()]),
    ]);
    answer.push(vec![
        Cell::Text("=1+1".to_owned()),
        Cell::Count(0),
        Cell::Number(0.5),
        Cell::Share { part: 0, whole: 0 },
        Cell::Null,
        Cell::Null,
        Cell::Flag(false),
        Cell::Nested(serde_json::json!({ "n": null })),
    ]);
    answer
}

fn written_on(answer: &Answer, format: Format, width: usize) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    answer.write(format, Screen { width, color: false }, &mut out, &mut err).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn written(answer: &Answer, format: Format) -> String {
    written_on(answer, format, 120).0
}

#[test]
fn writes_a_table() {
    insta::assert_snapshot!(written(&answer(), Format::Table), @r#"
     domain       messages  change    pass  first_day   last                  own  reporters
     example.org    48 210  -1 200  99.9 %  2026-10-25  2026-10-25T23:59:59Z  yes  a, b"|
     =1+1                0     0.5                                            no   {"n":null}
    "#);
}

#[test]
fn writes_json() {
    insta::assert_snapshot!(written(&answer(), Format::Json), @r#"{"schema":1,"question":"test","rows":[{"domain":"example.org","messages":48210,"change":-1200,"pass":0.9999,"first_day":"2026-10-25","last":"2026-10-25T23:59:59Z","own":true,"reporters":["a","b\"|"]},{"domain":"=1+1","messages":0,"change":0.5,"pass":null,"first_day":null,"last":null,"own":false,"reporters":{"n":null}}],"left_out":0}"#);
}

#[test]
fn writes_a_line_of_json_for_each_row() {
    insta::assert_snapshot!(written(&answer(), Format::Ndjson), @r#"
    {"domain":"example.org","messages":48210,"change":-1200,"pass":0.9999,"first_day":"2026-10-25","last":"2026-10-25T23:59:59Z","own":true,"reporters":["a","b\"|"]}
    {"domain":"=1+1","messages":0,"change":0.5,"pass":null,"first_day":null,"last":null,"own":false,"reporters":{"n":null}}
    "#);
}

#[test]
fn writes_csv() {
    insta::assert_snapshot!(written(&answer(), Format::Csv), @r#"
    domain,messages,change,pass,first_day,last,own,reporters
    example.org,48210,-1200,0.9999,2026-10-25,2026-10-25T23:59:59Z,true,"[""a"",""b\""|""]"
    '=1+1,0,0.5,,,,false,"{""n"":null}"
    "#);
}

#[test]
fn writes_markdown() {
    insta::assert_snapshot!(written(&answer(), Format::Markdown), @r#"
    | domain | messages | change | pass | first\_day | last | own | reporters |
    | --- | ---: | ---: | ---: | --- | --- | --- | --- |
    | example.org | 48210 | -1200 | 99.9 % | 2026-10-25 | 2026-10-25T23:59:59Z | yes | a, b"\| |
    | =1+1 | 0 | 0.5 |  |  |  | no | {"n":null} |
    "#);
}

#[test]
fn says_which_columns_have_no_room_and_which_rows_are_left_out() {
    let mut answer = answer();
    answer.limit(1);
    let (table, talk) = written_on(&answer, Format::Table, 40);
    insta::assert_snapshot!(format!("{table}---\n{talk}"), @"
     domain       messages  change    pass
     example.org    48 210  -1 200  99.9 %
    ---
    1 more row: left out by --limit
    not shown for want of width: first_day, last, own, reporters; --format json has all
    ");
    let json: Value = serde_json::from_str(&written(&answer, Format::Json)).unwrap();
    assert_eq!((json["left_out"].as_u64(), json["rows"].as_array().unwrap().len()), (Some(1), 1));
    answer.limit(5);
    assert_eq!(answer.left_out, 1);
}

#[test]
fn cuts_long_texts_before_it_leaves_columns_out() {
    let mut answer = Answer::new(
        "test",
        vec![Column::new("domain", ColumnKind::Text), Column::new("n", ColumnKind::Number)],
    );
    answer.push(vec![Cell::Text("x".repeat(100)), Cell::Count(1)]);
    let (table, talk) = written_on(&answer, Format::Table, 30);
    assert_eq!(table.lines().last().unwrap(), format!(" {}…  1", "x".repeat(25)));
    assert_eq!(talk, "");
}

#[test]
fn says_so_if_there_is_no_row() {
    let mut answer = answer();
    answer.limit(0);
    assert_eq!(written(&answer, Format::Table), "nothing\n");
    assert_eq!(written(&answer, Format::Ndjson), "");
    assert_eq!(written(&answer, Format::Csv).lines().count(), 1);
    assert_eq!(written(&answer, Format::Markdown).lines().count(), 2);
}

#[test]
fn marks_what_a_spreadsheet_would_compute_and_no_number() {
    for text in ["=1", "+1", "-1", "@a", "\tx", "\rx", "  =1", "＝1"] {
        assert!(csv::inert(text).starts_with('\''), "{text:?}");
    }
    for text in ["a=1", "1-1", "", " a", "'="] {
        assert_eq!(csv::inert(text), text);
    }
    let mut answer = Answer::new("test", vec![Column::new("n", ColumnKind::Number)]);
    answer.push(vec![Cell::Integer(-5)]);
    answer.push(vec![Cell::Number(-0.5)]);
    assert_eq!(written(&answer, Format::Csv), "n\r\n-5\r\n-0.5\r\n");
}

#[test]
fn writes_numbers_of_any_size() {
    let cells = [
        Cell::Count(u64::MAX),
        Cell::Integer(i128::MIN),
        Cell::Number(1e300),
        Cell::Number(f64::NAN),
        Cell::Share { part: u64::MAX, whole: 1 },
    ];
    for cell in cells {
        assert!(cell.shown().len() < 45, "{cell:?}: {}", cell.shown());
        assert!(serde_json::to_string(&cell.value()).is_ok());
    }
}

/// Text that tries to get out of its cell.
fn hostile() -> impl Strategy<Value = String> {
    let sharp = "[=+@|`<>&*_~\\\\\\[\\]\"',:\\-\t\r\n\u{0}\u{1b}\u{9b}\u{202e}\u{2028}\u{200b}!#$a]{0,12}";
    prop_oneof![sharp, any::<String>(), "[a-z.]{0,80}"]
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        hostile().prop_map(Cell::Text),
        vec(hostile(), 0..3).prop_map(Cell::List),
        hostile().prop_map(|text| Cell::Nested(serde_json::json!({ text.clone(): [text, 1] }))),
        any::<u64>().prop_map(Cell::Count),
        any::<f64>().prop_map(Cell::Number),
        any::<i64>().prop_map(Cell::Time),
        Just(Cell::Null),
    ]
}

/// An answer of three columns, with names that an SQL query may give.
fn any_answer() -> impl Strategy<Value = Answer> {
    (vec(hostile(), 3), vec(vec(cell(), 3), 1..5)).prop_map(|(names, rows)| {
        let name = |(at, name): (usize, String)| Column::new(format!("{name}{at}"), ColumnKind::Text);
        let mut answer = Answer::new("test", names.into_iter().enumerate().map(name).collect());
        for row in rows {
            answer.push(row);
        }
        answer
    })
}

/// What is not behind a backslash.
fn unescaped(line: &str) -> String {
    let mut chars = line.chars();
    let mut rest = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            c => rest.push(c),
        }
    }
    rest
}

proptest! {
    #[test]
    fn no_format_gives_a_terminal_anything_that_drives_it(answer in any_answer(), width in 1_usize..200) {
        for format in FORMATS {
            let (out, err) = written_on(&answer, format, width);
            let is_line_end = |c| c == '\n' || (c == '\r' && format == Format::Csv);
            prop_assert!(!out.chars().any(|c| is_unsafe(c) && !is_line_end(c)), "{format:?} {out:?}");
            prop_assert!(!err.chars().any(|c| is_unsafe(c) && c != '\n'), "{err:?}");
        }
    }

    #[test]
    fn a_row_is_a_line_that_fits_the_screen(answer in any_answer(), width in 20_usize..200) {
        let (table, _) = written_on(&answer, Format::Table, width);
        prop_assert_eq!(table.lines().count(), answer.rows.len() + 1);
        for line in table.lines() {
            prop_assert!(line.chars().count() <= width, "{width} {line:?}");
        }
    }

    #[test]
    fn csv_has_the_same_cells_and_no_formula(answer in any_answer()) {
        let text = written(&answer, Format::Csv);
        prop_assert_eq!(text.matches("\r\n").count(), answer.rows.len() + 1);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(rows.len(), answer.rows.len() + 1);
        for (read, row) in rows.iter().skip(1).zip(&answer.rows) {
            prop_assert_eq!(read.len(), 3);
            for (field, cell) in read.iter().zip(row) {
                let is_ours = matches!(cell, Cell::Count(_) | Cell::Number(_) | Cell::Time(_));
                prop_assert!(is_ours || !field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field:?}");
            }
        }
    }

    #[test]
    fn markdown_has_as_many_cells_in_every_row_and_no_markup(answer in any_answer()) {
        let text = written(&answer, Format::Markdown);
        prop_assert_eq!(text.lines().count(), answer.rows.len() + 2);
        for line in text.lines() {
            let rest = ["&amp;", "&lt;", "&gt;"].iter().fold(unescaped(line), |rest, entity| rest.replace(entity, ""));
            prop_assert_eq!(rest.matches('|').count(), 4, "{}", line);
            prop_assert!(!rest.contains(['&', '<', '[', ']', '`', '*', '_', '~', '!', '$', '#']), "{line}");
        }
    }

    #[test]
    fn json_is_the_same_text(text in hostile()) {
        let mut answer = Answer::new("test", vec![Column::new("a", ColumnKind::Text)]);
        answer.push(vec![Cell::Text(text.clone())]);
        let row: Value = serde_json::from_str(&written(&answer, Format::Ndjson)).unwrap();
        prop_assert_eq!(row["a"].as_str(), Some(text.as_str()));
        let all: Value = serde_json::from_str(&written(&answer, Format::Json)).unwrap();
        prop_assert_eq!(&all["rows"][0], &row);
    }
}
