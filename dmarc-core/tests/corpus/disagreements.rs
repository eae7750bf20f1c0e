//! Where the other parser and ours differ, and why ours is right.

/// A field on which the two differ.
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) theirs: String,
    pub(crate) ours: String,
}

impl Difference {
    pub(crate) fn new(field: &str, theirs: &str, ours: &str) -> Self {
        Self { field: field.to_owned(), theirs: theirs.to_owned(), ours: ours.to_owned() }
    }

    /// The same, about one report of several.
    pub(crate) fn within(self, report: &str) -> Self {
        Self { field: format!("{report}{}", self.field), ..self }
    }
}

/// A difference that is known.
pub(crate) struct Disagreement {
    pub(crate) file: &'static str,
    /// `outcome` for the file as a whole, `kind` for a report that only one side has; `2.total` is about the second
    /// report of a file.
    pub(crate) field: &'static str,
    /// What we read.
    pub(crate) ours: &'static str,
    /// Why that is right.
    pub(crate) why: &'static str,
}

pub(crate) const DISAGREEMENTS: &[Disagreement] = &[
    Disagreement {
        file: "MTG-Thomas+DmarcAnalyzerApp/src/api.integrationtests/Fixtures/Conformance/payloads/archive-size-limit/01-receiver.example!sigma.example!1785888000!1785974399.xml.gz",
        field: "outcome",
        ours: "refused limit_exceeded",
        why: "it expands more than 180-fold, made to be a bomb",
    },
    Disagreement {
        file: "MTG-Thomas+DmarcAnalyzerApp/src/api.integrationtests/Fixtures/Conformance/payloads/corrupt-gzip/01-receiver.example!rho.example!1785888000!1785974399.xml.gz",
        field: "outcome",
        ours: "refused decompress",
        why: "a gzip that ends too soon had a report in it",
    },
    Disagreement {
        file: "MTG-Thomas+DmarcAnalyzerApp/src/api.integrationtests/Fixtures/Conformance/payloads/null-report/01-receiver.example!lambda.example!1785888000!1785974399.xml",
        field: "bad_counts",
        ours: "1",
        why: "a count of 0 is none: the record is set aside",
    },
    Disagreement {
        file: "MTG-Thomas+DmarcAnalyzerApp/src/api.integrationtests/Fixtures/Conformance/payloads/optional-fields-omitted/01-receiver.example!iota.example!1785888000!1785974399.xml",
        field: "outcome",
        ours: "parsed",
        why: "a line before the XML declaration hides nothing",
    },
    Disagreement {
        file: "JamesJJ+dmarc-report-ses-tsv/test-data/mail-with-bad-gzip.txt",
        field: "outcome",
        ours: "refused decompress",
        why: "a damaged gzip is named, not passed over",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "arrival_date",
        ours: "Thu, 8 Mar 2005 14:00:00 EDT",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "feedback_type",
        ours: "abuse",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "original_mail_from",
        ours: "somespammer@example.net",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "reported_domain",
        ours: "example.net",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "source_ip",
        ours: "10.67.41.167",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "user_agent",
        ours: "SomeGenerator/1.0",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "JasperWallace+django-dmarc2/dmarc/tests/feedback2.eml",
        field: "version",
        ours: "0.1",
        why: "a line of spaces ends the header of a part: what follows are the fields of the report",
    },
    Disagreement {
        file: "KumoCorp+kumomta/crates/kumo-log-types/data/rfc5965/4.eml",
        field: "source_ip",
        ours: "",
        why: "x.x.x.x is no address",
    },
    Disagreement {
        file: "codemacherUG+dmarc-lighthouse/tests/fixtures/aggregate-report-dmarc2.xml",
        field: "testing",
        ours: "y",
        why: "`t`, the tag of the DNS record, stands for `testing`",
    },
    Disagreement {
        file: "danielsen+DmarcRua/dev/testing/resources/dmarc/aggregate/2bcd8fcbd79c40f9b5b39d7ecbb5a3d8.xml",
        field: "header_from",
        ours: "2bcd8fcbd79c40f9b5b39d7ecbb5a3d8.com=1",
        why: "`identities`, as drafts before RFC 7489 call it, is `identifiers`",
    },
    Disagreement {
        file: "danielsen+DmarcRua/dev/testing/resources/dmarc/aggregate/594c0856490f4891911c8ac56a82d98e.xml",
        field: "header_from",
        ours: "594c0856490f4891911c8ac56a82d98e.com=1",
        why: "`identities`, as drafts before RFC 7489 call it, is `identifiers`",
    },
    Disagreement {
        file: "danielsen+DmarcRua/dev/testing/resources/dmarc/aggregate/5a47ba8048c4422b84f272bb807c28b5.xml",
        field: "header_from",
        ours: "5a47ba8048c4422b84f272bb807c28b5.com=3",
        why: "`identities`, as drafts before RFC 7489 call it, is `identifiers`",
    },
    Disagreement {
        file: "danielsen+DmarcRua/dev/testing/resources/dmarc/aggregate/d4fae9b86fdc44e7ab9c90eb35ac8543.xml",
        field: "header_from",
        ours: "d4fae9b86fdc44e7ab9c90eb35ac8543.com=1",
        why: "`identities`, as drafts before RFC 7489 call it, is `identifiers`",
    },
    Disagreement {
        file: "derived/report_id-close-tag-missing-angle.xml",
        field: "outcome",
        ours: "refused xml",
        why: "where the identifier ends would be a guess",
    },
    Disagreement {
        file: "derived/yahoo-body-unused.xml.gz",
        field: "outcome",
        ours: "not a report",
        why: "all that is in it is the word `unused`",
    },
    Disagreement {
        file: "djav1985+v-dmarc-dashboard/unit/fixtures/dmarc/forensic-sample.xml",
        field: "outcome",
        ours: "refused missing_element",
        why: "no <date_range>, and no record that could be counted",
    },
    Disagreement {
        file: "domainaware+parsedmarc/samples/aggregate/invalid_xml.xml",
        field: "outcome",
        ours: "parsed",
        why: "`<` that begins no tag is text, recorded as salvaged; the record's domain is kept as it stands",
    },
    Disagreement {
        file: "domainaware+parsedmarc/samples/aggregate/ikea.com!example.de!1538690400!1538776800.xml",
        field: "outcome",
        ours: "parsed",
        why: "the wrapper is not closed, and the report in it is whole",
    },
    Disagreement {
        file: "domainaware+parsedmarc/tests/test_init.py.embedded-83456.xml",
        field: "outcome",
        ours: "refused missing_element",
        why: "no <date_range>, and no record that could be counted",
    },
    Disagreement {
        file: "domainaware+parsedmarc/tests/test_init.py.embedded-88017.xml",
        field: "source_ips",
        ours: "1",
        why: "`bad-ip` is no address",
    },
    Disagreement {
        file: "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        field: "dispositions",
        ours: "",
        why: "::ffff:092.168.4.4 is no address, and its only record is set aside",
    },
    Disagreement {
        file: "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        field: "dkim_aligned",
        ours: "0",
        why: "::ffff:092.168.4.4 is no address, and its only record is set aside",
    },
    Disagreement {
        file: "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        field: "dmarc_pass",
        ours: "0",
        why: "::ffff:092.168.4.4 is no address, and its only record is set aside",
    },
    Disagreement {
        file: "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        field: "header_from",
        ours: "",
        why: "::ffff:092.168.4.4 is no address, and its only record is set aside",
    },
    Disagreement {
        file: "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        field: "source_ips",
        ours: "0",
        why: "::ffff:092.168.4.4 is no address, and its only record is set aside",
    },
    Disagreement {
        file: "ietf-wg-dmarc+draft-ietf-dmarc-aggregate-reporting/@30f9311b/dmarc-xmlalt-0.2.xml",
        field: "total",
        ours: "0",
        why: "::ffff:092.168.4.4 is no address, and its only record is set aside",
    },
    Disagreement {
        file: "keltia+dmarc-cat/testdata/bad.zip",
        field: "outcome",
        ours: "refused xml",
        why: "an empty file that is named as XML is said so, not passed over",
    },
    Disagreement {
        file: "patrickkerrigan+dmarc-parser/src/test/resources/dmarc-1-space.xml",
        field: "outcome",
        ours: "parsed",
        why: "a space before the XML declaration hides nothing",
    },
    Disagreement {
        file: "pthoor+DMARC-for-Defender-XDR/tests/DmarcHelpers.Tests.ps1.embedded-16436.xml",
        field: "outcome",
        ours: "refused missing_element",
        why: "no <date_range>, and no record",
    },
    Disagreement {
        file: "sisimai+set-of-emails/maildir/bsd/arf-12.eml",
        field: "original",
        ours: "there",
        why: "text/rfc822-header (sic) holds the header of the message",
    },
    Disagreement {
        file: "sisimai+set-of-emails/maildir/bsd/arf-25.eml",
        field: "original",
        ours: "none",
        why: "the word REDACTED is no message",
    },
    Disagreement {
        file: "sisimai+set-of-emails/maildir/mac/arf-01.eml",
        field: "kind",
        ours: "none",
        why: "its lines end in carriage returns alone, which no mail has (RFC 5322, Section 2.3)",
    },
    Disagreement {
        file: "tierpod+dmarc-report-converter/pkg/dmarc/testdata/test_empty.xml",
        field: "bad_counts",
        ours: "1",
        why: "a count of 0 is none: the record is set aside",
    },
];
