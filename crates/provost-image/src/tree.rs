//! What stands where in the image so far: folders, links and files, so that a copy lands where it would on a disk.

use std::collections::BTreeMap;

use crate::error::Fault;

/// The most links followed on one path: Linux's own number.
const LINK_LIMIT: usize = 40;
/// The longest path and the longest target of a link: what Linux opens (`PATH_MAX`). A path has a folder for each of its
/// parts, so one of a megabyte would cost 250 GB.
pub(crate) const PATH_LIMIT: usize = 4096;

/// One thing in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    Link(String),
    File,
}

/// The image's files by absolute path. The root is a folder always.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, (Node, usize)>,
    layer: usize,
    /// What all paths and targets of links are long together.
    bytes: usize,
}

impl Tree {
    /// Begins the next layer, so that its whiteouts hide the layers below and not itself.
    pub(crate) fn next_layer(&mut self) {
        self.layer += 1;
    }

    pub(crate) fn node(&self, path: &str) -> Option<&Node> {
        if path == "/" { Some(&Node::Folder) } else { self.nodes.get(path).map(|(node, _)| node) }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What all paths and targets of links take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts something at a path whose folders are resolved already; what stood there goes, save a folder under a folder.
    pub(crate) fn put(&mut self, path: &str, node: Node) {
        if path == "/" {
            return;
        }
        if node != Node::Folder || self.node(path) != Some(&Node::Folder) {
            self.remove(path);
        }
        self.take_out(path);
        self.bytes += size_of(path, &node);
        self.nodes.insert(path.to_owned(), (node, self.layer));
    }

    fn take_out(&mut self, path: &str) {
        if let Some((node, _)) = self.nodes.remove(path) {
            self.bytes -= size_of(path, &node);
        }
    }

    /// Removes a path and everything below it.
    pub(crate) fn remove(&mut self, path: &str) {
        self.take_out(path);
        for below in self.below(path, |_| true) {
            self.take_out(&below);
        }
    }

    /// Removes what lower layers put into a folder.
    pub(crate) fn hide_lower(&mut self, folder: &str) {
        let layer = self.layer;
        for below in self.below(folder, |of| of < layer) {
            self.take_out(&below);
        }
    }

    fn below(&self, path: &str, wanted: impl Fn(usize) -> bool) -> Vec<String> {
        let prefix = if path == "/" { path.to_owned() } else { format!("{path}/") };
        let after = self.nodes.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        after.filter(|(_, (_, layer))| wanted(*layer)).map(|(name, _)| name.clone()).collect()
    }

    /// Where a path leads once the links on it are followed inside the image; the last part only where asked.
    pub(crate) fn resolve(&self, path: &str, follow_last: bool) -> Result<String, Fault> {
        let lost = || Fault::Destination { path: path.to_owned() };
        if path.len() > PATH_LIMIT {
            return Err(Fault::PathTooLong { limit: PATH_LIMIT });
        }
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let here = format!("{done}/{part}");
            if here.len() > PATH_LIMIT {
                return Err(Fault::PathTooLong { limit: PATH_LIMIT });
            }
            let last = rest.iter().all(|part| part.is_empty() || part == ".");
            match self.node(&here) {
                Some(Node::Link(target)) if !last || follow_last => {
                    links += 1;
                    if links > LINK_LIMIT {
                        return Err(lost());
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(Node::File) if !last => return Err(lost()),
                _ => done = here,
            }
        }
        Ok(if done.is_empty() { "/".to_owned() } else { done })
    }

    /// The folders a resolved path needs that are not there yet, outermost first.
    pub(crate) fn missing(&self, folder: &str) -> Vec<String> {
        let ends = folder.match_indices('/').skip(1).map(|(at, _)| at).chain([folder.len()]);
        let above = ends.filter_map(|end| folder.get(..end));
        above
            .filter(|path| path.len() > 1 && self.node(path) != Some(&Node::Folder))
            .map(str::to_owned)
            .collect()
    }
}

fn size_of(path: &str, node: &Node) -> usize {
    let target = if let Node::Link(target) = node { target.len() } else { 0 };
    path.len() + target
}

/// The folder a path is in.
pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => path.get(..at).unwrap_or("/"),
    }
}

#[cfg(test)]
mod tests;
