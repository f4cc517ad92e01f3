//! The short way and the full evaluation give one outcome, on the corpus and on made-up policies and documents.

use super::*;
use crate::limits::SHALLOW_DEPTH;

/// The outcome both ways.
fn both(source: &str, data: &str, absent: Absent) -> Option<(Option<String>, Option<String>)> {
    let limits = Limits { eval_depth: SHALLOW_DEPTH, ..Limits::default() };
    let policy = Policy::prepare(&[PolicyFile { name: "p.cue", source }], &limits).ok()?;
    let data = Data::from_json(data.as_bytes(), &limits).ok()?;
    let text = |plain| policy.judge(&data, absent, &limits, plain).err().map(|errors| errors.to_string());
    Some((text(true), text(false)))
}

#[derive(serde::Deserialize)]
struct Case {
    policy: serde_json::Value,
    data: Option<String>,
}

#[test]
fn the_corpus_gives_one_outcome() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../corpus/cue/cases.json")).expect("the cases are JSON");
    let usual =
        r#"{"predicateType":"x","predicate":{"builder":{"id":"a"},"buildType":"b","n":5,"list":["a","b"]}}"#;
    let mut compared = 0;
    for case in cases {
        let Some(source) = case.policy.as_str() else { continue };
        for absent in [Absent::Refuse, Absent::Allow] {
            let Some((short, full)) = both(source, case.data.as_deref().unwrap_or(usual), absent) else {
                continue;
            };
            assert_eq!(short, full, "{source}");
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} cases were compared");
}

/// A sequence that is the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "c", "d"][self.roll(4) as usize]
    }

    fn scalar(&mut self) -> &'static str {
        ["1", "2.5", "\"x\"", "\"yy\"", "true", "null", "1", "\"x\""][self.roll(8) as usize]
    }

    fn document(&mut self, depth: u32) -> String {
        match self.roll(if depth == 0 { 1 } else { 4 }) {
            1 => {
                let items: Vec<_> = (0..self.roll(3)).map(|_| self.document(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            2 | 3 => {
                let mut members = std::collections::BTreeMap::new();
                for _ in 0..self.roll(4) {
                    members.insert(self.name(), self.document(depth - 1));
                }
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }
            _ => self.scalar().to_owned(),
        }
    }

    fn constraint(&mut self, depth: u32) -> String {
        match self.roll(if depth == 0 { 8 } else { 17 }) {
            0 | 1 => self.scalar().to_owned(),
            2 => "_".into(),
            3 => ["string", "int", "number", "bool", "null"][self.roll(5) as usize].into(),
            4 => [">0", "<2", "!=1", "=~\"^x\"", "!=null", ">=1 & <=2"][self.roll(6) as usize].into(),
            5 => ["#A", "#B", "#L", "e"][self.roll(4) as usize].into(),
            6 => ["strings.MinRunes(2)", "[...]", "{...}", "len(\"xx\")"][self.roll(4) as usize].into(),
            7 => ["\"x\" | \"yy\"", "*\"x\" | string", "int | string", "null | {...}"][self.roll(4) as usize]
                .into(),
            8 | 9 => {
                let items: Vec<_> = (0..self.roll(2)).map(|_| self.constraint(depth - 1)).collect();
                let rest = match self.roll(3) {
                    0 => "...".to_owned(),
                    1 => String::new(),
                    _ => format!("...{}", self.operand(depth - 1)),
                };
                let parts: Vec<_> = items.into_iter().chain([rest]).filter(|part| !part.is_empty()).collect();
                format!("[{}]", parts.join(", "))
            }
            10 => format!("{} & {}", self.operand(depth - 1), self.operand(depth - 1)),
            11 => format!("{} | {}", self.operand(depth - 1), self.operand(depth - 1)),
            12 => format!("close({})", self.fields(depth - 1)),
            _ => self.fields(depth - 1),
        }
    }

    fn operand(&mut self, depth: u32) -> String {
        format!("({})", self.constraint(depth))
    }

    fn fields(&mut self, depth: u32) -> String {
        let mut fields = Vec::new();
        for _ in 0..self.roll(4) {
            let mark = ["", "", "?", "!"][self.roll(4) as usize];
            fields.push(format!("{}{mark}: {}", self.name(), self.constraint(depth)));
        }
        match self.roll(6) {
            0 => fields.push("...".into()),
            1 => fields.push(format!("[string]: {}", self.constraint(depth))),
            2 => fields.push(format!("[=~\"^[ab]\"]: {}", self.constraint(depth))),
            3 => fields.push("#A".into()),
            _ => {}
        }
        format!("{{{}}}", fields.join(", "))
    }
}

#[test]
fn made_up_policies_give_one_outcome() {
    let mut dice = Dice(7);
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..600 {
        let source = format!(
            "import \"strings\"\n#A: {}\n#B: {}\n#L: [...#A]\ne: {}\npredicate: {}\n_s: strings.MinRunes(1)\n",
            dice.constraint(1),
            dice.fields(2),
            dice.constraint(1),
            dice.constraint(3),
        );
        for _ in 0..6 {
            let data = format!("{{\"predicate\":{}}}", dice.document(3));
            let Some((short, full)) =
                both(&source, &data, if dice.roll(2) == 0 { Absent::Allow } else { Absent::Refuse })
            else {
                break;
            };
            assert_eq!(short, full, "{source}\n{data}");
            *if full.is_none() { &mut passed } else { &mut refused } += 1;
        }
    }
    assert!(passed > 100 && refused > 300, "{passed} passed, {refused} refused");
}
