//! Damaged files: whatever is in one, reading ends, answers inside the file, and is the same twice.

use super::fixture;
use super::*;

/// A small generator of numbers, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).unwrap_or(0);
        high % most.max(1)
    }
}

/// Pieces that mean something to YAML or Jinja.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "\t",
    "\n",
    "\r\n",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: ",
    "!raw ",
    "!x ",
    "'",
    "\"",
    "|\n",
    ">\n",
    "#",
    "---\n",
    "...\n",
    "가",
    "\u{feff}",
    "\u{0}",
    "?",
    "null",
    "~",
    "*/5",
    "@",
    "%",
    "\\",
    "  ",
    "1:30",
    "!!int ",
    "\u{85}",
    "👩‍💻",
];

fn damage(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(chars.len());
        match dice.below(4) {
            0 => drop(chars.drain(at..(at + dice.below(12)).min(chars.len()))),
            1 => chars.truncate(at),
            2 => {
                let end = (at + dice.below(60)).min(chars.len());
                let copy: Vec<char> = chars[at..end].to_vec();
                let to = dice.below(chars.len());
                chars.splice(to..to, copy);
            }
            _ => {
                let piece = PIECES[dice.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damaged_files_are_answered_inside_the_file() {
    let texts: Vec<String> = ["tests/fixtures/broken", "tests/fixtures/good", "dags"]
        .into_iter()
        .flat_map(fixture::yaml_files)
        .map(|path| fixture::text(&path).expect("a fixture"))
        .collect();
    let zones = Zones::bundled();
    let known = Known::new(&zones);
    let mut dice = Dice(20_251_120);
    for round in 0..ROUNDS {
        let text = damage(&texts[dice.below(texts.len())], &mut dice);
        let mut file = SourceFile { name: "x.yaml".into(), text, files: BTreeMap::new() };
        let wanted: Vec<String> = read(&file, &known).into_iter().flat_map(|d| d.unread).collect();
        file.files = wanted.into_iter().map(|name| (name, Ok("{{ ds }}".to_owned()))).collect();
        let first = read(&file, &known);
        let lines = u32::try_from(file.text.lines().count()).expect("a small file") + 1;
        for found in first.iter().flat_map(|document| &document.diagnostics) {
            let inside = (1..=lines + 1).contains(&found.line) && found.column >= 1;
            assert!(inside, "round {round}: {found}\n{}", file.text);
            assert!(!found.render(crate::diagnostic::Paint::Plain).is_empty());
        }
        let shown = |documents: &[Document]| -> Vec<String> {
            let found = documents.iter().flat_map(|document| &document.diagnostics);
            found.map(ToString::to_string).collect()
        };
        assert_eq!(shown(&first), shown(&read(&file, &known)), "round {round}");
    }
}

/// Enough for every test run; 6,000 have passed.
const ROUNDS: usize = 100;
