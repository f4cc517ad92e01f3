//! Kyverno's words for what it refuses in the selection and context of a rule.

use crate::policy::validate::{ConditionFault, ContextFault, Overridden, Selecting};

pub(super) fn selecting(fault: &Selecting) -> String {
    match fault {
        Selecting::AnyAndAll => "Can't specify any and all together".to_owned(),
        Selecting::BlockAndFlat(block) => format!("can't specify any/all together with {block} resources"),
        Selecting::MatchEmpty => "match resources not specified".to_owned(),
        Selecting::KindsMissing => "at least one element must be specified in a kind block, the kind attribute is mandatory when working with the resources element".to_owned(),
        Selecting::EmptySet => "Rule is matching an empty set".to_owned(),
        Selecting::WildcardInBackground => "wildcard policy not allowed in background mode. Set spec.background=false to disable background mode for this policy rule ".to_owned(),
        Selecting::WildcardAmongOthers => "wildcard policy can not deal with more than one kind".to_owned(),
        Selecting::WildcardKind => "wildcard policy does not support rule type".to_owned(),
        Selecting::NameAndNames => "Both name and names can not be specified together".to_owned(),
        Selecting::SelectorEmpty => "The requirements are not specified in selector".to_owned(),
        Selecting::SelectorOperator(operator) => {
            format!("{operator:?} is not a valid label selector operator")
        }
        Selecting::SelectorValues { needed: true } => {
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned()
        }
        Selecting::SelectorValues { needed: false } => {
            "values: Invalid value: []: values set must be empty for exists and does not exist".to_owned()
        }
        Selecting::NamespacesInNamespaced => "Filtering namespaces not allowed in namespaced policies".to_owned(),
        Selecting::ClusterWideKind(kind) => {
            format!("Cluster wide resource '{kind}' not allowed in namespaced policy")
        }
        Selecting::SubjectKind => "kind must be 'User', 'Group', or 'ServiceAccount'".to_owned(),
        Selecting::SubjectWithout(_) => "Required value".to_owned(),
        Selecting::ServiceAccountNamespace => {
            "Required value: namespace is required when Kind is ServiceAccount".to_owned()
        }
        Selecting::RoleForm => "Role is expected to be in namespace:name format".to_owned(),
        Selecting::UserInBackground(path) => format!(
            "only select variables are allowed in background mode. Set spec.background=false to disable background mode for this policy rule: invalid variable used at path: {path} "
        ),
        Selecting::Variables { rule, section } => {
            format!("policy contains invalid variables: rule {rule:?} should not have variables in {section} section")
        }
    }
}

pub(super) fn context(fault: &ContextFault) -> String {
    match fault {
        ContextFault::Nameless => "a name is required for context entries".to_owned(),
        ContextFault::Predefined { name, root } => {
            format!("entry name {name} is invalid as it conflicts with a pre-defined variable {root}")
        }
        ContextFault::NotOne => {
            "exactly one of configMap or apiCall or imageRegistry or variable is required for context entries"
                .to_owned()
        }
        ContextFault::ConfigMapWithout(field) => {
            format!("a {field} is required for configMap context entry")
        }
        ContextFault::CallAndService => "a URLPath cannot be used for service API calls".to_owned(),
        ContextFault::GlobalNameless => "a name is required for globalReference context entry".to_owned(),
        ContextFault::ReferenceMissing => "a ref is required for imageRegistry context entry".to_owned(),
        ContextFault::BadReference { image, reason } => format!("bad image: {image}: {reason}"),
        ContextFault::VariableEmpty => "a variable must define a value or a jmesPath expression".to_owned(),
        ContextFault::DefaultAlone => {
            "a variable must define a default value only when a jmesPath expression is defined".to_owned()
        }
        ContextFault::Unparsable { expression, reason } => {
            format!("failed to parse JMESPath {expression}: {reason}")
        }
    }
}

pub(super) fn overridden(fault: &Overridden) -> String {
    match fault {
        Overridden::InNamespaced => {
            "Use of validationFailureActionOverrides is supported only with ClusterPolicy".to_owned()
        }
        Overridden::NoAction => "invalid action".to_owned(),
        Overridden::Conflict { path, namespaces } => {
            format!("conflicting namespaces found in path: {path}: {}", namespaces.join(", "))
        }
    }
}

pub(super) fn condition(fault: &ConditionFault) -> String {
    match fault {
        ConditionFault::Incomplete => {
            "entered value of `key`, `value` or `operator` is missing or misspelled".to_owned()
        }
        ConditionFault::Operation(found) => format!(
            "unknown value '{found}' found under the 'value' field. Only the following values are allowed: [CREATE, UPDATE, DELETE, CONNECT]"
        ),
    }
}
