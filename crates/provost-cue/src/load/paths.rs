//! Paths as strings: cleaned, joined, and shown relative to the working directory.

/// A path without `.`, `..` and doubled slashes.
pub(super) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// A path seen from a directory; absolute ones stay.
pub(super) fn join(directory: &str, path: &str) -> String {
    match path.starts_with('/') {
        true => clean(path),
        false => clean(&format!("{directory}/{path}")),
    }
}

/// The directory above, or none above the root.
pub(super) fn parent(path: &str) -> Option<String> {
    let (above, _) = path.rsplit_once('/')?;
    match (above, path) {
        (_, "/") => None,
        ("", _) => Some("/".to_owned()),
        (above, _) => Some(above.to_owned()),
    }
}

/// The last part.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What follows a directory in a path that lies in it: empty for itself.
pub(super) fn within<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory == "/" {
        return path.strip_prefix('/');
    }
    let rest = path.strip_prefix(directory)?;
    match rest.is_empty() {
        true => Some(rest),
        false => rest.strip_prefix('/'),
    }
}

/// A path relative to a directory, with `./` before it where it does not begin with a dot.
pub(super) fn shown(path: &str, directory: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let from: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts = vec![".."; from.len() - same];
    parts.extend(to.iter().skip(same));
    let relative = parts.join("/");
    match relative.as_str() {
        "" => ".".to_owned(),
        name if name.starts_with('.') => relative,
        _ => format!("./{relative}"),
    }
}
