//! Command lines in pflag's spellings, on a small tree of verbs.

use clap::{Arg, ArgAction, Command};

use super::*;

fn tree() -> Command {
    let switch = |name: &'static str| {
        Arg::new(name).long(name).num_args(0..=1).require_equals(true).default_value("false")
    };
    let verify = Command::new("verify")
        .arg(Arg::new("key").long("key"))
        .arg(Arg::new("max-workers").long("max-workers").default_value("10"))
        .arg(Arg::new("output").long("output").short('o').default_value("json"))
        .arg(Arg::new("certificate").long("certificate"))
        .arg(Arg::new("policy").long("policy").value_delimiter(',').action(ArgAction::Append))
        .arg(Arg::new("file").long("file").action(ArgAction::Append))
        .arg(switch("check-claims").short('c').action(ArgAction::SetTrue))
        .arg(Arg::new("bare").long("bare").action(ArgAction::SetTrue))
        .arg(switch("offline"));
    let download = Command::new("download").subcommand(Command::new("signature"));
    Command::new("provost")
        .subcommand(verify)
        .subcommand(download)
        .subcommand(Command::new("env").arg(Arg::new("key").long("key")))
        .subcommand(Command::new("demo"))
}

fn read_with(line: &str, variables: &[(&'static str, &'static str)]) -> Result<Read, Mistake> {
    let given: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    read(&given, &tree(), false, &Environment::of_pairs(variables))
}

fn words(line: &str, variables: &[(&'static str, &'static str)]) -> String {
    match read_with(line, variables) {
        Ok(Read::Line(line)) => line.arguments.join(" "),
        other => format!("{other:?}"),
    }
}

fn wrong(line: &str) -> String {
    read_with(line, &[]).map_or_else(|mistake| mistake.words, |read| format!("{read:?}"))
}

#[test]
fn values_follow_whatever_they_look_like() {
    assert_eq!(words("verify --key --offline a", &[]), "verify --key=--offline -- a");
    assert_eq!(words("verify --key k --key=l a b", &[]), "verify --key=l -- a b");
    assert_eq!(words("verify a --key k -o text", &[]), "verify --key=k --output=text -- a");
    // To cosign this is an old spelling of a flag it does not have.
    assert_eq!(wrong("verify -o=text a"), "unknown flag: --o");
    assert_eq!(words("verify -- --key k", &[]), "verify -- --key k");
    assert_eq!(words("--key k verify a", &[]), "verify --key=k -- a");
    assert_eq!(words("-t 5s verify a", &[]), "--timeout=5s verify -- a");
    assert_eq!(words("verify --cert c a", &[]), "verify --certificate=c -- a");
    assert_eq!(words("verify --key= a", &[]), "verify -- a");
}

#[test]
fn switches_take_their_value_after_an_equals_sign_alone() {
    assert_eq!(words("verify --offline a", &[]), "verify --offline=true -- a");
    assert_eq!(words("verify --offline false a", &[]), "verify --offline=true -- false a");
    assert_eq!(words("verify --offline=0 a", &[]), "verify --offline=false -- a");
    assert_eq!(words("verify -c a", &[]), "verify --check-claims=true -- a");
    assert_eq!(words("verify --check-claims=false a", &[]), "verify --check-claims=false -- a");
    assert_eq!(words("verify --bare a", &[]), "verify --bare -- a");
    assert_eq!(words("verify --bare --bare=false a", &[]), "verify -- a");
    assert_eq!(
        wrong("verify --offline=maybe a"),
        r#"invalid argument "maybe" for "--offline" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#
    );
    assert_eq!(
        wrong("verify --check-claims=x a"),
        r#"invalid argument "x" for "-c, --check-claims" flag: strconv.ParseBool: parsing "x": invalid syntax"#
    );
}

#[test]
fn lists_are_csv_and_grow() {
    assert_eq!(
        words(r#"verify --policy a,b --policy "c,d",e a"#, &[]),
        "verify --policy=a --policy=b --policy=c,d --policy=e -- a"
    );
    assert_eq!(words("verify --file a,b --file c a", &[]), "verify --file=a,b --file=c -- a");
    assert_eq!(list(""), Ok(Vec::new()));
    assert_eq!(list("a,,b,"), Ok(["a", "", "b", ""].map(str::to_owned).to_vec()));
    assert_eq!(list(r#""a ""b""""#), Ok(vec![r#"a "b""#.to_owned()]));
    assert!(list(r#"a"b"#).unwrap_err().ends_with(r#"column 2: bare " in non-quoted-field"#));
    assert!(list(r#""a"b"#).is_err());
    assert!(list(r#""a"#).is_err());
}

#[test]
fn mistakes_are_named_as_pflag_names_them() {
    assert_eq!(wrong("verify --nosuch a"), "unknown flag: --nosuch");
    assert_eq!(wrong("verify -z a"), "unknown shorthand flag: 'z' in -z");
    assert_eq!(wrong("verify a --key"), "flag needs an argument: --key");
    assert_eq!(wrong("verify a -o"), "flag needs an argument: 'o' in -o");
    assert_eq!(wrong("verify --=x a"), "bad flag syntax: --=x");
    assert_eq!(wrong("verify"), "requires at least 1 arg(s), only received 0");
    assert_eq!(wrong("env x"), "unknown command \"x\" for \"cosign env\"");
    assert_eq!(
        wrong("verify -t x a"),
        r#"invalid argument "x" for "-t, --timeout" flag: time: invalid duration "x""#
    );
    let unknown = read_with("verfy a", &[]).unwrap_err();
    assert!(unknown.is_unknown_command);
    assert_eq!(unknown.words, "unknown command \"verfy\" for \"cosign\"\n\nDid you mean this?\n\tverify\n");
}

#[test]
fn variables_stand_for_flags_that_were_not_given() {
    let set =
        [("COSIGN_KEY", "k"), ("COSIGN_CHECK_CLAIMS", "1"), ("COSIGN_POLICY", "a,b"), ("COSIGN_OUTPUT", "")];
    assert_eq!(words("verify a", &set), "verify --key=k --policy=a --policy=b --check-claims=true -- a");
    assert_eq!(words("verify --key l a", &[("COSIGN_KEY", "k")]), "verify --key=l -- a");
    // What cannot be read counts as not set, and some verbs read none.
    let broken = [("COSIGN_OFFLINE", "maybe"), ("COSIGN_MAX_WORKERS", "many"), ("COSIGN_TIMEOUT", "soon")];
    assert_eq!(words("verify a", &broken), "verify -- a");
    assert_eq!(words("verify a", &[("COSIGN_TIMEOUT", "5s")]), "--timeout=5s verify -- a");
    assert_eq!(words("env", &set), "env --");
}

#[test]
fn old_spellings_are_mended_and_what_leaves_is_named() {
    let Ok(Read::Line(line)) = read_with("verify -key k --o text --offline a", &[]) else { unreachable!() };
    assert_eq!(line.arguments.join(" "), "verify --key=k --output=text --offline=true -- a");
    let [key, output, offline] = line.remarks.as_slice() else { unreachable!("{line:?}") };
    assert_eq!(
        key,
        "WARNING: the -key flag is deprecated and will be removed in a future release. Please use the --key flag instead."
    );
    assert_eq!(
        output,
        "WARNING: the flag --o is deprecated and will be removed in a future release. Please use the flag -o."
    );
    assert!(offline.starts_with("Flag --offline has been deprecated, To verify"));
}

#[test]
fn what_is_ours_and_what_is_help_is_told_apart() {
    assert_eq!(read_with("demo -x", &[]), Ok(Read::Ours));
    assert_eq!(read_with("", &[]), Ok(Read::Ours));
    assert_eq!(read_with("verify -h", &[]), Ok(Read::Help(vec!["verify".to_owned()], Vec::new())));
    assert_eq!(read_with("download nosuch", &[]), Ok(Read::Help(vec!["download".to_owned()], Vec::new())));
    let alone = read(&["demo".to_owned()], &tree(), true, &Environment::of_pairs(&[]));
    assert!(alone.unwrap_err().is_unknown_command);
    assert_eq!(read(&[], &tree(), true, &Environment::of_pairs(&[])), Ok(Read::Help(Vec::new(), Vec::new())));
}
