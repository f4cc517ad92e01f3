//! `provost jp`: tries JMESPath expressions as `kyverno jp` does.

use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

use provost_expr::environment::Environment;
use provost_expr::{Expression, JmesError, go_text, jmespath, yaml};
use serde_json::Value;

use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::machine::Machine;

/// The largest file or standard input that is read: what the YAML reader takes.
const MAX_INPUT: u64 = yaml::MAX_YAML as u64;

/// Tries JMESPath expressions with Kyverno's functions.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Evaluates expressions against a JSON or YAML document.
    Query(QueryArgs),
    /// Prints the syntax tree of expressions.
    Parse(ParseArgs),
    /// Lists the functions that Kyverno adds to JMESPath.
    Function(FunctionArgs),
}

#[derive(clap::Args, Debug)]
struct QueryArgs {
    /// The document, JSON or YAML; standard input without it.
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A file that holds an expression; may be repeated.
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    query: Vec<PathBuf>,
    /// JSON on one line.
    #[arg(short, long)]
    compact: bool,
    /// A result that is a text is printed without quotes.
    #[arg(short, long)]
    unquoted: bool,
    /// Expressions.
    #[arg(value_name = "EXPRESSION")]
    expressions: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct ParseArgs {
    /// A file that holds an expression; may be repeated.
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    file: Vec<PathBuf>,
    /// Expressions.
    #[arg(value_name = "EXPRESSION")]
    expressions: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct FunctionArgs {
    /// Names; all functions without any.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Runs one of the verbs.
///
/// # Errors
/// Exit code 1 for files that cannot be read and expressions that have no value; the reason is said in
/// Kyverno's form, which is one line that begins with `Error: `.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let done = match &args.verb {
        Verb::Query(args) => query(args, face),
        Verb::Parse(args) => parse(args, face),
        Verb::Function(args) => {
            functions(args, face);
            Ok(())
        }
    };
    done.map_err(|reason| {
        face.say(format!("Error: {reason}"));
        Failure::quiet(1)
    })
}

fn text(bytes: Vec<u8>, name: impl Display) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| format!("failed to read file {name}: it is no UTF-8 text"))
}

fn file(path: &Path) -> Result<String, String> {
    let name = path.display();
    let bytes = go_os::read(path, MAX_INPUT)
        .map_err(|failure| format!("failed open file {name}: {}", failure.words()))?;
    text(bytes, name)
}

fn expressions(given: &[String], files: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut all = given.to_vec();
    for path in files {
        all.push(file(path)?);
    }
    Ok(all)
}

fn typed(face: &Face, what: &str) -> Result<String, String> {
    face.out("Reading from terminal input.");
    face.out(format!("Enter {what} and hit Ctrl+D."));
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("failed to read file STDIN: {}", go_os::cause(&error)))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(format!("failed to read file STDIN: longer than {MAX_INPUT} bytes"));
    }
    text(bytes, "STDIN")
}

fn query(args: &QueryArgs, face: &Face) -> Result<(), String> {
    let mut queries = expressions(&args.expressions, &args.query)?;
    if queries.is_empty() && args.input.is_none() {
        return Err("at least one query or input object is required".to_owned());
    }
    let given = args.input.as_deref().map(file).transpose()?;
    if queries.is_empty() {
        queries.push(typed(face, "a jmespath expression")?);
    }
    let text = given.map_or_else(|| typed(face, "input object"), Ok)?;
    let input = yaml::parse(&text).map_err(|reason| format!("error parsing input json: {reason}"))?;
    let environment = Environment {
        clock: Some(&Machine),
        random: Some(&Machine),
        resolver: Some(&Machine),
        ..Environment::default()
    };
    for query in &queries {
        let expression = Expression::parse(query)
            .map_err(|error| format!("failed to compile JMESPath: {query}, error: {error}"))?;
        let value = expression
            .search(&input, &environment)
            .map_err(|error| format!("error evaluating JMESPath expression: {error}"))?;
        face.out(format!("# {query}"));
        face.out(match &value {
            Value::String(text) if args.unquoted => text.clone(),
            value if args.compact => go_text::to_json(value),
            value => go_text::to_json_indented(value),
        });
    }
    Ok(())
}

fn parse(args: &ParseArgs, face: &Face) -> Result<(), String> {
    let mut all = expressions(&args.expressions, &args.file)?;
    if all.is_empty() {
        all.push(typed(face, "a jmespath expression")?);
    }
    for text in &all {
        let expression = Expression::parse(text).map_err(|error| match &error {
            JmesError::Syntax(syntax) => format!("{error}\n{}", syntax.highlight(text)),
            _ => error.to_string(),
        })?;
        face.out(format!("# {text}"));
        face.out(expression.tree());
    }
    Ok(())
}

fn functions(args: &FunctionArgs, face: &Face) {
    let mut shown: Vec<_> = jmespath::signatures()
        .filter(|signature| !signature.builtin)
        .filter(|signature| args.names.is_empty() || args.names.iter().any(|name| name == signature.name))
        .collect();
    shown.sort_by_key(ToString::to_string);
    for signature in shown {
        face.out(format!("Name: {}", signature.name));
        face.out(format!("  Signature: {signature}"));
        face.out(format!("  Note:      {}\n", signature.note));
    }
}
