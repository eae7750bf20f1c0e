//! Mail over time: the share that passed above, the messages below, one bar for each step.
//!
//! The pictures are stretched to the width of the page, so no text is in them: axes are labelled beside them, and what
//! they show stands in their description and in a table.

use dmarc_core::findings::DomainSummary;

use super::markup::{Html, Tag};
use super::series::{Bar, Series};
use super::table::{Column, Kind, row, rows, table};
use super::words::{counted, day, number, percent};

/// Units of the pictures, in both directions.
const SIZE: u64 = 1_000;
/// Units of the thinnest part of a bar: one message is seen beside a million.
const THINNEST: u64 = 8;
/// Units between the parts of a bar: colours that touch are told apart by few.
const GAP: u64 = 8;
/// Units of a period of the hatching.
const HATCH: u64 = 32;
/// Labels of days at most, and the last unit at which there is room for one.
const TICKS: usize = 4;
const LAST_TICK: u64 = 800;
/// Where the axis of shares begins, in tenths of a percent: at the highest of these that leaves nothing out.
const FLOORS: [u64; 4] = [950, 900, 800, 500];
/// All of it, in tenths of a percent.
const ALL: u64 = 1_000;

/// Writes the chart of a domain, which is the `at`th of the page; nothing where there is nothing to compare.
pub(super) fn chart(html: &mut Html, at: usize, summary: &DomainSummary) {
    let series = Series::new(&summary.days);
    if series.bars.len() > 1 {
        let chart = Chart { at, domain: &summary.domain, series: &series };
        html.open("figure").class("chart").with(|html| chart.write(html));
    }
}

struct Chart<'a> {
    at: usize,
    domain: &'a str,
    series: &'a Series,
}

impl Chart<'_> {
    fn write(&self, html: &mut Html) {
        html.open("figcaption").text(format_args!("Mail over time, one bar {}", per(self.series.step)));
        legend(html);
        html.open("div").class("plot").with(|html| {
            self.rate(html);
            self.messages(html);
            self.ticks(html);
        });
        if self.series.left_out > 0 {
            let left_out = counted(self.series.left_out, "message");
            html.open("p")
                .class("note")
                .text(format_args!("Not shown: {left_out} of days more than half a year apart from these."));
        }
        html.open("details").class("data").with(|html| {
            html.open("summary").text("The same as a table");
            self.table(html);
        });
    }

    /// The share that passed, as a line of steps.
    fn rate(&self, html: &mut Html) {
        let rates = || self.series.bars.iter().filter_map(Bar::rate);
        let lowest = rates().min().unwrap_or_default();
        let floor = FLOORS.into_iter().find(|floor| *floor <= lowest).unwrap_or_default();
        scale(html, "passed", [format!("{}\u{202f}%", ALL / 10), format!("{}\u{202f}%", floor / 10)]);
        let describe = || {
            let bars = || self.series.bars.iter().filter(|bar| bar.messages() > 0);
            let say = |bar: &Bar| format!("{} on {}", percent(bar.passed, bar.messages()), day(bar.day));
            let worst = bars().min_by_key(|bar| bar.rate()).map(say).unwrap_or_default();
            let last = bars().next_back().map(say).unwrap_or_default();
            format!("Lowest {worst}; last {last}.")
        };
        let title = format!("Share of the mail of {} that passed DMARC", self.domain);
        self.picture(html, ("rate", &title, &describe()), |html| {
            grid(html, &[0, SIZE]);
            html.open("path").class("line").attr("d", self.line(floor)).void();
        });
    }

    /// The line of shares above `floor`: level for each bar, broken where there is no mail.
    fn line(&self, floor: u64) -> String {
        let mut path = String::new();
        let mut is_drawn = false;
        for (at, bar) in self.series.bars.iter().enumerate() {
            let rate = bar.rate();
            if let Some(rate) = rate {
                let y = SIZE - scaled(rate.saturating_sub(floor), ALL - floor);
                let (from, to) = (self.x(at), self.x(at + 1));
                let go = if is_drawn { format!("V{y}H{to}") } else { format!("M{from} {y}H{to}") };
                path.push_str(&go);
            }
            is_drawn = rate.is_some();
        }
        path
    }

    /// The messages, as bars: what failed stands on the axis, where it can be compared.
    fn messages(&self, html: &mut Html) {
        let most = self.series.bars.iter().map(Bar::messages).max().unwrap_or_default();
        let top = round_up(most);
        scale(html, "messages", [number(top), "0".to_owned()]);
        let sum = |part: fn(&Bar) -> u64| self.series.bars.iter().map(part).fold(0, u64::saturating_add);
        let description = format!(
            "{} passed, {} failed and were quarantined or rejected, {} failed and were delivered; at most {} {}.",
            number(sum(|bar| bar.passed)),
            number(sum(|bar| bar.blocked)),
            number(sum(|bar| bar.delivered)),
            counted(most, "message"),
            per(self.series.step),
        );
        let title = format!("Messages of {}", self.domain);
        self.picture(html, ("volume", &title, &description), |html| {
            html.open("defs").with(|html| self.hatching(html));
            grid(html, &[0, SIZE / 2]);
            for (at, bar) in self.series.bars.iter().enumerate() {
                self.bar(html, at, bar, top);
            }
            grid(html, &[SIZE]);
        });
    }

    fn bar(&self, html: &mut Html, at: usize, bar: &Bar, top: u64) {
        if bar.messages() == 0 {
            return;
        }
        let (from, to) = (self.x(at), self.x(at + 1));
        let gap = (to - from) / 8;
        let (x, width) = (from + gap, (to - from).saturating_sub(2 * gap));
        html.open("g").with(|html| {
            html.open("title").text(told(bar));
            let mut floor = SIZE;
            for (class, messages) in
                [("delivered", bar.delivered), ("blocked", bar.blocked), ("passed", bar.passed)]
            {
                let height = if messages == 0 { 0 } else { scaled(messages, top).max(THINNEST).min(floor) };
                if height > 0 {
                    let part = rect(html, x, floor - height, width, height).class(class);
                    let hatched = format!("url(#{})", self.hatch());
                    if class == "blocked" { part.attr("fill", hatched) } else { part }.void();
                    floor = floor.saturating_sub(height + GAP);
                }
            }
            // All of its height tells what it is.
            rect(html, from, 0, to - from, SIZE).attr("fill", "transparent").void();
        });
    }

    /// Stripes along the axis: they stay stripes however the picture is stretched.
    fn hatching(&self, html: &mut Html) {
        let pattern = html.open("pattern").attr("id", self.hatch()).attr("patternUnits", "userSpaceOnUse");
        pattern.attr("width", SIZE).attr("height", HATCH).with(|html| {
            rect(html, 0, 0, SIZE, HATCH / 2).class("stripe").void();
            rect(html, 0, HATCH / 2, SIZE, HATCH / 2).class("ground").void();
        });
    }

    fn hatch(&self) -> String {
        format!("hatch-{}", self.at)
    }

    /// A picture of this class with a title and a description.
    fn picture(
        &self,
        html: &mut Html,
        (class, title, description): (&'static str, &str, &str),
        content: impl FnOnce(&mut Html),
    ) {
        let [title_id, description_id] = ["title", "desc"].map(|part| format!("{class}-{part}-{}", self.at));
        let svg = html.open("svg").class(class).attr("viewBox", format_args!("0 0 {SIZE} {SIZE}"));
        let svg = svg.attr("preserveAspectRatio", "none").attr("role", "img");
        svg.attr("aria-labelledby", &title_id).attr("aria-describedby", &description_id).with(|html| {
            html.open("title").attr("id", &title_id).text(title);
            html.open("desc").attr("id", &description_id).text(description);
            content(html);
        });
    }

    /// The days below, with their place on the axis.
    fn ticks(&self, html: &mut Html) {
        let bars = &self.series.bars;
        let every = bars.len().div_ceil(TICKS).max(1);
        html.open("div").class("ticks").attr("aria-hidden", "true").with(|html| {
            for (at, bar) in bars.iter().enumerate().step_by(every) {
                let x = self.x(at);
                if x > LAST_TICK {
                    break;
                }
                let place = format!("left:{}.{}%", x / 10, x % 10);
                html.open("span").attr("style", place).text(day(bar.day));
            }
        });
    }

    fn table(&self, html: &mut Html) {
        const COLUMNS: [Column; 6] = [
            ("From", Kind::Name),
            ("Messages", Kind::Number),
            ("Passed", Kind::Number),
            ("Pass rate", Kind::Number),
            ("Failed", Kind::Number),
            ("Of these delivered", Kind::Number),
        ];
        let caption = format!("Mail of {} over time, one line {}", self.domain, per(self.series.step));
        table(html, "cards", caption, &COLUMNS, |html| {
            rows(html, |html| {
                for bar in self.series.bars.iter().filter(|bar| bar.messages() > 0) {
                    row(html, &COLUMNS, |row| {
                        row.text(day(bar.day));
                        row.text(number(bar.messages()));
                        row.text(number(bar.passed));
                        row.text(percent(bar.passed, bar.messages()));
                        row.text(number(bar.failed()));
                        row.text(number(bar.delivered));
                    });
                }
            });
        });
    }

    /// Where the `at`th bar begins.
    fn x(&self, at: usize) -> u64 {
        scaled(at as u64, self.series.bars.len() as u64)
    }
}

fn legend(html: &mut Html) {
    let kinds = [
        ("passed", "passed DMARC"),
        ("blocked", "failed, quarantined or rejected"),
        ("delivered", "failed, delivered all the same"),
    ];
    html.open("ul").class("legend").with(|html| {
        for (class, what) in kinds {
            html.open("li").with(|html| {
                html.open("span").attr("class", format_args!("swatch {class}")).text("");
                html.text(what);
            });
        }
    });
}

/// The labels of an axis, from its top to its bottom.
fn scale(html: &mut Html, name: &str, labels: [String; 2]) {
    html.open("div").class("scale").attr("aria-hidden", "true").with(|html| {
        let [top, bottom] = labels;
        html.open("span").text(top);
        html.open("span").class("axis").text(name);
        html.open("span").text(bottom);
    });
}

fn grid(html: &mut Html, heights: &[u64]) {
    for y in heights {
        html.open("path").class("grid").attr("d", format_args!("M0 {y}H{SIZE}")).void();
    }
}

fn rect(html: &mut Html, x: u64, y: u64, width: u64, height: u64) -> Tag<'_> {
    html.open("rect").attr("x", x).attr("y", y).attr("width", width).attr("height", height)
}

/// What a bar says to whom points at it.
fn told(bar: &Bar) -> String {
    format!(
        "{}: {}, {} passed; {} failed, {} of these delivered",
        day(bar.day),
        counted(bar.messages(), "message"),
        percent(bar.passed, bar.messages()),
        number(bar.failed()),
        number(bar.delivered),
    )
}

/// A length of time, as what a bar stands for.
fn per(days: i64) -> String {
    if days == 1 { "a day".to_owned() } else { format!("for {days} days") }
}

/// `part` of `whole` in units of a picture.
fn scaled(part: u64, whole: u64) -> u64 {
    let units = (u128::from(part) * u128::from(SIZE)).checked_div(u128::from(whole)).unwrap_or_default();
    u64::try_from(units).unwrap_or(SIZE).min(SIZE)
}

/// The least of 1, 2, 5, 10, 20, … that is not below `n`.
fn round_up(n: u64) -> u64 {
    let decades = (0..20).filter_map(|power| 10_u64.checked_pow(power));
    let steps = decades.flat_map(|decade| [1, 2, 5].map(|step| decade.saturating_mul(step)));
    steps.into_iter().find(|step| *step >= n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_an_axis_at_a_round_number() {
        assert_eq!([0, 1, 3, 5, 6, 99, 101, 2_001].map(round_up), [1, 1, 5, 5, 10, 100, 200, 5_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn scales_without_overflow() {
        assert_eq!(
            [(0, 0), (1, 2), (u64::MAX, u64::MAX), (u64::MAX, 1)].map(|(a, b)| scaled(a, b)),
            [0, 500, 1_000, 1_000]
        );
    }

    #[test]
    fn breaks_the_line_where_there_is_no_mail() {
        let bar = |passed, delivered| Bar { passed, delivered, ..Bar::default() };
        let series = Series { step: 1, bars: vec![bar(1, 1), bar(1, 0), bar(0, 0), bar(3, 1)], left_out: 0 };
        let chart = Chart { at: 0, domain: "example.org", series: &series };
        assert_eq!(chart.line(500), "M0 1000H250V0H500M750 500H1000");
    }
}
