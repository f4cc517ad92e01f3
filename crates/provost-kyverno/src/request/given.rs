//! What a test gives in place of what a cluster would say: values of context entries.

use serde_json::{Map, Value};

/// Values for the context entries that ask a cluster or a registry (configMap, apiCall, imageRegistry,
/// globalReference), under the entries' names. Only tests give any; a request of a cluster has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    everywhere: Map<String, Value>,
    of_rules: Vec<OfRule>,
}

#[derive(Clone, Debug, PartialEq)]
struct OfRule {
    policy: String,
    rule: String,
    values: Map<String, Value>,
}

impl Given {
    /// Gives a value to every rule, at a path of names.
    pub fn everywhere(&mut self, path: &[&str], value: &Value) {
        put(&mut self.everywhere, path, value);
    }

    /// Gives a value to one rule of one policy.
    pub fn to_rule(&mut self, policy: &str, rule: &str, path: &[&str], value: &Value) {
        let is = |one: &OfRule| one.policy == policy && one.rule == rule;
        let at = self.of_rules.iter().position(is).unwrap_or_else(|| {
            self.of_rules.push(OfRule {
                policy: policy.to_owned(),
                rule: rule.to_owned(),
                values: Map::new(),
            });
            self.of_rules.len() - 1
        });
        if let Some(one) = self.of_rules.get_mut(at) {
            put(&mut one.values, path, value);
        }
    }

    /// The value of one entry of one rule; what is given to the rule wins over what is given to all.
    #[must_use]
    pub fn to(&self, policy: &str, rule: &str, entry: &str) -> Option<&Value> {
        let own = self.of_rules.iter().find(|one| one.policy == policy && one.rule == rule);
        own.and_then(|one| one.values.get(entry)).or_else(|| self.everywhere.get(entry))
    }
}

/// Puts a value into nested objects; what stands in the way and is no object is replaced.
pub(crate) fn put(fields: &mut Map<String, Value>, path: &[&str], value: &Value) {
    let Some((last, way)) = path.split_last() else { return };
    let mut here = fields;
    for name in way {
        let inner = here.entry((*name).to_owned()).or_insert(Value::Null);
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        let Value::Object(inner) = inner else { return };
        here = inner;
    }
    here.insert((*last).to_owned(), value.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Given;

    #[test]
    fn what_is_given_to_a_rule_wins() {
        let mut given = Given::default();
        given.everywhere(&["cfg", "data", "key"], &json!(1));
        given.to_rule("p", "r", &["cfg", "data", "key"], &json!(2));
        given.to_rule("p", "r", &["cfg", "data", "other"], &json!(3));
        assert_eq!(given.to("p", "r", "cfg"), Some(&json!({"data": {"key": 2, "other": 3}})));
        assert_eq!(given.to("p", "autogen-r", "cfg"), Some(&json!({"data": {"key": 1}})));
        assert_eq!(given.to("p", "r", "data"), None);
    }
}
