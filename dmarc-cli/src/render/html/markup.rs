//! The only way to write a page: elements that close themselves, and text that is always escaped.
//!
//! Names of elements and attributes are constants of the program, everything else goes through one escape: a report
//! can be given no other way into the page. What comes out is well-formed XML as well as HTML.

use std::fmt::{self, Display, Write as _};

use dmarc_ingest::text::is_unsafe;

/// The longest text of one element or attribute, in characters; a longer one ends in `…`.
const LONGEST: usize = 400;
/// Elements that end a line, so that two pages can be compared line by line.
const BLOCKS: [&str; 17] = [
    "body", "dd", "details", "div", "dl", "figure", "g", "head", "header", "li", "main", "p", "section",
    "svg", "table", "tbody", "tr",
];

/// A page, or the inside of an element of it.
#[derive(Debug)]
pub(super) struct Html(String);

impl Html {
    /// The page whose root element is `html`, with this content.
    pub(super) fn page(content: impl FnOnce(&mut Self)) -> String {
        let mut page = Self("<!DOCTYPE html>\n".to_owned());
        page.open("html").attr("lang", "en").with(content);
        page.0.push('\n');
        page.0
    }

    /// Writes text: markup in it is shown, and so is what could turn the line or cannot be seen.
    pub(super) fn text(&mut self, text: impl Display) {
        // Writing to a string fails only where the text is cut.
        write!(Escape { page: &mut self.0, left: LONGEST }, "{text}").unwrap_or_default();
    }

    /// Begins an element, which the methods of [`Tag`] finish.
    pub(super) fn open(&mut self, name: &'static str) -> Tag<'_> {
        self.0.push('<');
        self.0.push_str(name);
        Tag { html: self, name }
    }

    /// Writes our own style sheet, which has neither `<` nor `&`.
    pub(super) fn style(&mut self, sheet: &'static str) {
        self.0.push_str("<style>\n");
        self.0.push_str(sheet);
        self.0.push_str("</style>\n");
    }
}

/// An element that has begun: attributes first, then what is in it.
#[must_use = "an element has to be finished"]
#[derive(Debug)]
pub(super) struct Tag<'p> {
    html: &'p mut Html,
    name: &'static str,
}

impl Tag<'_> {
    /// Gives it an attribute.
    pub(super) fn attr(self, name: &'static str, value: impl Display) -> Self {
        let page = &mut self.html.0;
        page.push(' ');
        page.push_str(name);
        page.push_str("=\"");
        self.html.text(value);
        self.html.0.push('"');
        self
    }

    /// Gives it classes of the style sheet.
    pub(super) fn class(self, class: &'static str) -> Self {
        self.attr("class", class)
    }

    /// Makes it lead to the element of this page that has the id `target`: a page leads nowhere else.
    pub(super) fn to(self, target: impl Display) -> Self {
        self.attr("href", format_args!("#{target}"))
    }

    /// Finishes it with text in it.
    pub(super) fn text(self, text: impl Display) {
        self.with(|html| html.text(text));
    }

    /// Finishes it with `content` in it.
    pub(super) fn with(self, content: impl FnOnce(&mut Html)) {
        let Self { html, name } = self;
        html.0.push('>');
        content(html);
        html.0.push_str("</");
        html.0.push_str(name);
        html.0.push('>');
        if BLOCKS.contains(&name) {
            html.0.push('\n');
        }
    }

    /// Finishes it with nothing in it, now or ever.
    pub(super) fn void(self) {
        self.html.0.push_str(" />");
    }
}

/// The escape of text and attributes alike.
struct Escape<'p> {
    page: &'p mut String,
    /// Characters that may still come.
    left: usize,
}

impl fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.left == 0 {
                self.page.push('…');
                // Ends the formatting: nothing of the rest is wanted.
                return Err(fmt::Error);
            }
            self.left -= 1;
            match c {
                '&' => self.page.push_str("&amp;"),
                '<' => self.page.push_str("&lt;"),
                '>' => self.page.push_str("&gt;"),
                '"' => self.page.push_str("&quot;"),
                '\'' => self.page.push_str("&#39;"),
                c if is_unsafe(c) => self.page.extend(c.escape_unicode()),
                c => self.page.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: impl FnOnce(&mut Html)) -> String {
        let mut html = Html(String::new());
        content(&mut html);
        html.0
    }

    #[test]
    fn escapes_markup_and_what_is_unsafe_in_text_and_attributes() {
        let hostile = "</p><script>'\"&\0\u{1b}\n\u{202e}\u{200b}é";
        let escaped = r"&lt;/p&gt;&lt;script&gt;&#39;&quot;&amp;\u{0}\u{1b}\u{a}\u{202e}\u{200b}é";
        let page = written(|html| html.open("i").attr("title", hostile).text(hostile));
        assert_eq!(page, format!("<i title=\"{escaped}\">{escaped}</i>"));
    }

    #[test]
    fn cuts_text_that_is_too_long() {
        let longest = "&".repeat(LONGEST);
        assert_eq!(written(|html| html.text(&longest)), "&amp;".repeat(LONGEST));
        assert_eq!(written(|html| html.text(format!("{longest}x"))), "&amp;".repeat(LONGEST) + "…");
    }

    #[test]
    fn nests_and_closes_elements() {
        let page = written(|html| {
            html.open("p").with(|p| {
                p.open("a").to("x\"y").text(1);
                p.open("br").void();
            });
        });
        assert_eq!(page, "<p><a href=\"#x&quot;y\">1</a><br /></p>\n");
    }
}
