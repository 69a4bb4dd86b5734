//! Results of tests as JUnit's XML, which every CI system reads.
//!
//! Owns the form alone: what a test is and how it went is said by the caller.

use std::fmt::Write;

/// The tests of one DAG.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    /// Its name.
    pub name: String,
    /// The file it is in.
    pub file: String,
    /// Its tests.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug)]
pub(crate) struct Test {
    /// Its name.
    pub name: String,
    /// The line of the file where it stands.
    pub line: u32,
    /// What is wrong; none when it passed.
    pub failure: Option<String>,
}

/// The suites as one XML document.
pub(crate) fn document(suites: &[Suite]) -> String {
    let failures = |suite: &Suite| suite.tests.iter().filter(|test| test.failure.is_some()).count();
    let all: usize = suites.iter().map(|suite| suite.tests.len()).sum();
    let failed: usize = suites.iter().map(failures).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(xml, "<testsuites tests=\"{all}\" failures=\"{failed}\" errors=\"0\">");
    for suite in suites {
        let (name, file) = (escaped(&suite.name), escaped(&suite.file));
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" file=\"{file}\" tests=\"{}\" failures=\"{}\" errors=\"0\">",
            suite.tests.len(),
            failures(suite)
        );
        for test in &suite.tests {
            let _ = write!(
                xml,
                "    <testcase classname=\"{name}\" name=\"{}\" file=\"{file}\" line=\"{}\"",
                escaped(&test.name),
                test.line
            );
            let _ = match &test.failure {
                None => writeln!(xml, "/>"),
                Some(text) => {
                    let first = escaped(text.lines().next().unwrap_or_default());
                    let text = escaped(text);
                    writeln!(
                        xml,
                        ">\n      <failure message=\"{first}\">{text}</failure>\n    </testcase>"
                    )
                }
            };
        }
        let _ = writeln!(xml, "  </testsuite>");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// A text for XML; characters that XML cannot have are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_the_document_is_xml() {
        let suite = Suite {
            name: "d".to_owned(),
            file: "a&b.yaml".to_owned(),
            tests: vec![
                Test { name: "<good>".to_owned(), line: 3, failure: None },
                Test {
                    name: "bad".to_owned(),
                    line: 9,
                    failure: Some("\"a\" is \u{1b}\nhelp".to_owned()),
                },
            ],
        };
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites tests=\"2\" failures=\"1\" errors=\"0\">
  <testsuite name=\"d\" file=\"a&amp;b.yaml\" tests=\"2\" failures=\"1\" errors=\"0\">
    <testcase classname=\"d\" name=\"&lt;good&gt;\" file=\"a&amp;b.yaml\" line=\"3\"/>
    <testcase classname=\"d\" name=\"bad\" file=\"a&amp;b.yaml\" line=\"9\">
      <failure message=\"&quot;a&quot; is \u{fffd}\">&quot;a&quot; is \u{fffd}
help</failure>
    </testcase>
  </testsuite>
</testsuites>
";
        assert_eq!(document(&[suite]), expected);
    }
}
