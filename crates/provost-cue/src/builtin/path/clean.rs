//! Taking paths apart and putting them together, by bytes that are all ASCII where they matter.

/// Whose rules a path follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Unix,
    Windows,
    Plan9,
}

/// Names that Windows keeps for devices.
const RESERVED: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
    "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

impl System {
    pub(super) fn separator(self) -> char {
        if self == Self::Windows { '\\' } else { '/' }
    }

    fn separates(self, letter: char) -> bool {
        letter == '/' || (self == Self::Windows && letter == '\\')
    }

    /// `C:` or `\\host\share` at the start, on Windows.
    pub(super) fn volume(self, path: &str) -> &str {
        path.get(..self.volume_length(path)).unwrap_or_default()
    }

    fn volume_length(self, path: &str) -> usize {
        let bytes = path.as_bytes();
        if self != Self::Windows {
            return 0;
        }
        if let [drive, b':', ..] = bytes
            && drive.is_ascii_alphabetic()
        {
            return 2;
        }
        let slash = |at: usize| bytes.get(at).is_some_and(|byte| matches!(byte, b'/' | b'\\'));
        let dot = |at: usize| bytes.get(at) == Some(&b'.');
        if bytes.len() < 5 || !slash(0) || !slash(1) || slash(2) || dot(2) {
            return 0;
        }
        let Some(share) = (3..bytes.len() - 1).find(|at| slash(*at)).map(|at| at + 1) else { return 0 };
        if slash(share) || dot(share) {
            return 0;
        }
        (share..bytes.len()).find(|at| slash(*at)).unwrap_or(bytes.len())
    }

    pub(super) fn slashed(self, path: &str) -> String {
        if self == Self::Windows { path.replace('/', "\\") } else { path.to_owned() }
    }

    /// The shortest path that means the same.
    pub(super) fn clean(self, path: &str) -> String {
        let (volume, rest) = path.split_at(self.volume_length(path));
        if rest.is_empty() {
            let share = volume.len() > 1 && volume.as_bytes().get(1) != Some(&b':');
            return if share { self.slashed(path) } else { format!("{path}.") };
        }
        let rooted = rest.starts_with(|letter| self.separates(letter));
        let mut parts: Vec<&str> = Vec::new();
        for part in rest.split(|letter| self.separates(letter)) {
            match part {
                "" | "." => {}
                ".." => match parts.last() {
                    Some(last) if *last != ".." => {
                        parts.pop();
                    }
                    _ if rooted => {}
                    _ => parts.push(part),
                },
                part => parts.push(part),
            }
        }
        let mut separator = [0; 4];
        let separator: &str = self.separator().encode_utf8(&mut separator);
        let joined = parts.join(separator);
        let cleaned = match (rooted, joined.is_empty()) {
            (true, _) => format!("{separator}{joined}"),
            (false, true) => ".".to_owned(),
            (false, false) => joined,
        };
        self.slashed(&format!("{volume}{cleaned}"))
    }

    pub(super) fn is_absolute(self, path: &str) -> bool {
        match self {
            Self::Unix => path.starts_with('/'),
            Self::Plan9 => path.starts_with(['/', '#']),
            Self::Windows => {
                let length = self.volume_length(path);
                let rooted = path.get(length..).is_some_and(|rest| rest.starts_with(['/', '\\']));
                RESERVED.iter().any(|name| name.eq_ignore_ascii_case(path)) || (length > 0 && rooted)
            }
        }
    }

    /// Everything up to the last separator, and what follows it.
    pub(super) fn split(self, path: &str) -> (&str, &str) {
        let volume = self.volume_length(path);
        let file = path.get(volume..).and_then(|rest| rest.rfind(|letter| self.separates(letter)));
        path.split_at(file.map_or(volume, |at| volume + at + 1))
    }

    pub(super) fn split_list(self, path: &str) -> Vec<String> {
        if path.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Unix => path.split(':').map(str::to_owned).collect(),
            Self::Plan9 => path.split('\0').map(str::to_owned).collect(),
            Self::Windows => {
                let mut quoted = false;
                let parts = path.split(|letter| {
                    quoted ^= letter == '"';
                    letter == ';' && !quoted
                });
                parts.map(|part| part.replace('"', "")).collect()
            }
        }
    }

    pub(super) fn extension(self, path: &str) -> &str {
        let from = path.rfind(|letter| self.separates(letter)).map_or(0, |at| at + 1);
        let file = path.get(from..).unwrap_or_default();
        file.rfind('.').and_then(|at| file.get(at..)).unwrap_or_default()
    }

    pub(super) fn base(self, path: &str) -> String {
        if path.is_empty() {
            return ".".to_owned();
        }
        let path = path.trim_end_matches(|letter| self.separates(letter));
        let path = path.get(self.volume_length(path)..).unwrap_or_default();
        let last = path.rsplit(|letter| self.separates(letter)).next().unwrap_or_default();
        if last.is_empty() { self.separator().to_string() } else { last.to_owned() }
    }

    pub(super) fn dir(self, path: &str) -> String {
        let volume = self.volume(path);
        let (before, _) = self.split(path);
        let dir = self.clean(before.get(volume.len()..).unwrap_or_default());
        if dir == "." && volume.len() > 2 { volume.to_owned() } else { format!("{volume}{dir}") }
    }

    pub(super) fn join(self, parts: &[&str]) -> String {
        let Some(first) = parts.iter().position(|part| !part.is_empty()) else { return String::new() };
        let parts = parts.get(first..).unwrap_or_default();
        let mut separator = [0; 4];
        let separator: &str = self.separator().encode_utf8(&mut separator);
        let head = parts.first().copied().unwrap_or_default();
        if self != Self::Windows {
            return self.clean(&parts.join(separator));
        }
        if head.len() == 2 && head.ends_with(':') {
            let rest: Vec<&str> = parts.iter().skip(1).copied().skip_while(|part| part.is_empty()).collect();
            return self.clean(&format!("{head}{}", rest.join(separator)));
        }
        // A share may only come from the first element, never from joining.
        let whole = self.clean(&parts.join(separator));
        let head = self.clean(head);
        if self.volume_length(&whole) <= 2 || self.volume_length(&head) > 2 {
            return whole;
        }
        let tail = self.clean(&parts.get(1..).unwrap_or_default().join(separator));
        if head.ends_with(separator) { format!("{head}{tail}") } else { format!("{head}{separator}{tail}") }
    }

    fn same(self, a: &str, b: &str) -> bool {
        if self == Self::Windows { a.to_lowercase() == b.to_lowercase() } else { a == b }
    }

    /// The path from a base to a target; `None` where there is none.
    pub(super) fn relative(self, base: &str, target: &str) -> Option<String> {
        let (base_volume, target_volume) = (self.volume(base), self.volume(target));
        let (base, target) = (self.clean(base), self.clean(target));
        if self.same(&target, &base) {
            return Some(".".to_owned());
        }
        let base = base.get(base_volume.len()..)?;
        let target = target.get(target_volume.len()..)?;
        let base = if base == "." { "" } else { base };
        let separator = self.separator();
        if base.starts_with(separator) != target.starts_with(separator)
            || !self.same(base_volume, target_volume)
        {
            return None;
        }
        let split = |path: &'_ str| -> Vec<String> {
            path.split(separator).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let (base, target) = (split(base), split(target));
        let common = base.iter().zip(&target).take_while(|(a, b)| self.same(a, b)).count();
        let up = base.get(common..)?;
        if up.first().is_some_and(|part| part == "..") {
            return None;
        }
        let parts = up.iter().map(|_| "..").chain(target.get(common..)?.iter().map(String::as_str));
        Some(parts.collect::<Vec<_>>().join(&separator.to_string()))
    }
}
