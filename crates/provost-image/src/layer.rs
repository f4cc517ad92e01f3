//! A layer's bytes: the same files give the same tar, the same gzip, the same digest, on every machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use provost_oci::{Algorithm, Digest, Hasher};
use tar::{Builder, EntryType, Header};

use crate::context::{Content, Context, Trouble, disk, is_archive};
use crate::error::Fault;
use crate::plan::{Copy, absolute};
use crate::tree::{Node, Tree, parent};

/// gzip's word for "made on no particular system".
const NO_SYSTEM: u8 = 255;
/// gzip's usual effort.
const EFFORT: u32 = 6;
/// The mode of folders nobody described.
const FOLDER_MODE: u32 = 0o755;

/// A finished layer.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The compressed bytes.
    pub(crate) bytes: Bytes,
    /// The digest of the uncompressed ones.
    pub(crate) diff_id: Digest,
}

/// What a layer puts where; paths are absolute and resolved, in the order of their names.
pub(crate) type Items = BTreeMap<String, Item>;

/// One entry of a layer.
#[derive(Debug)]
pub(crate) struct Item {
    mode: u32,
    uid: u64,
    gid: u64,
    content: Content,
    /// The file's name in messages.
    name: String,
}

/// The folder `WORKDIR` needs, where it is not there.
pub(crate) fn folder(path: &str, tree: &mut Tree) -> Result<Items, Fault> {
    let path = tree.resolve(path, true)?;
    let mut items = Items::new();
    make_folders(&path, (0, 0), tree, &mut items)?;
    Ok(items)
}

/// The files a `COPY` or `ADD` puts into the image.
pub(crate) fn copy(copy: &Copy, context: &mut Context, tree: &mut Tree) -> Result<Items, Trouble> {
    let mut found = Vec::new();
    for source in &copy.sources {
        found.extend(context.find(source)?);
    }
    let destination = tree.resolve(&copy.destination, true)?;
    let into = copy.into_folder || found.len() > 1 || tree.node(&destination) == Some(&Node::Folder);
    let owner = (copy.uid, copy.gid);
    let mut items = Items::new();
    for source in found {
        let to = match (source.is_folder, into) {
            (true, _) => {
                make_folders(&destination, owner, tree, &mut items)?;
                destination.clone()
            }
            (false, true) => absolute(&destination, &source.name),
            (false, false) => destination.clone(),
        };
        for entry in source.entries {
            if let (true, Content::File { path, .. }) = (copy.add, &entry.content)
                && !source.is_folder
                && is_archive(path)?
            {
                return Err(Fault::Archive { name: source.name }.into());
            }
            let name = if entry.name.is_empty() { source.name.clone() } else { entry.name.clone() };
            let path = if entry.name.is_empty() { to.clone() } else { absolute(&to, &entry.name) };
            let is_folder = matches!(entry.content, Content::Folder);
            let path = tree.resolve(&path, is_folder)?;
            if path == "/" || (is_folder && tree.node(&path) == Some(&Node::Folder)) {
                // A folder that is there keeps its owner and mode, as /tmp must.
                continue;
            }
            make_folders(parent(&path), owner, tree, &mut items)?;
            let node = match &entry.content {
                Content::Folder => Node::Folder,
                Content::Link(target) => Node::Link(target.clone()),
                Content::File { .. } => Node::File,
            };
            tree.put(&path, node);
            let mode = copy.mode.unwrap_or(entry.mode);
            let item = Item { mode, uid: copy.uid, gid: copy.gid, content: entry.content, name };
            replace(&mut items, path, item);
        }
    }
    Ok(items)
}

/// Puts an item in; what this layer had below a file's place goes with what stood there.
fn replace(items: &mut Items, path: String, item: Item) {
    if !matches!(item.content, Content::Folder) {
        let below = format!("{path}/");
        items.retain(|name, _| !name.starts_with(&below));
    }
    items.insert(path, item);
}

fn make_folders(path: &str, owner: (u64, u64), tree: &mut Tree, items: &mut Items) -> Result<(), Fault> {
    for missing in tree.missing(path) {
        if tree.node(&missing).is_some() {
            return Err(Fault::Destination { path: path.to_owned() });
        }
        tree.put(&missing, Node::Folder);
        let (uid, gid) = owner;
        let item = Item { mode: FOLDER_MODE, uid, gid, content: Content::Folder, name: missing.clone() };
        items.insert(missing, item);
    }
    Ok(())
}

/// Writes the layer: every entry with this date (seconds since 1970), without names of users.
pub(crate) fn write(items: &Items, date: u64) -> Result<Layer, Trouble> {
    let gzip =
        GzBuilder::new().mtime(0).operating_system(NO_SYSTEM).write(Vec::new(), Compression::new(EFFORT));
    let mut tar = Builder::new(Hashing { hasher: Hasher::new(Algorithm::Sha256), inner: gzip });
    for (path, item) in items {
        append(&mut tar, path, item, date)?;
    }
    let in_memory = |error: io::Error| Trouble::Disk { path: "layer".to_owned(), cause: error.to_string() };
    let hashing = tar.into_inner().map_err(in_memory)?;
    let bytes = hashing.inner.finish().map_err(in_memory)?;
    Ok(Layer { bytes: Bytes::from(bytes), diff_id: hashing.hasher.finish() })
}

fn append(
    tar: &mut Builder<Hashing<GzEncoder<Vec<u8>>>>,
    path: &str,
    item: &Item,
    date: u64,
) -> Result<(), Trouble> {
    let mut header = Header::new_gnu();
    header.set_mode(item.mode);
    header.set_uid(item.uid);
    header.set_gid(item.gid);
    header.set_mtime(date);
    header.set_size(0);
    let name = path.trim_start_matches('/');
    let told = |error: io::Error| Trouble::Disk { path: item.name.clone(), cause: error.to_string() };
    match &item.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, format!("{name}/"), io::empty()).map_err(told)
        }
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, name, PathBuf::from(target)).map_err(told)
        }
        Content::File { path, size } => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(*size);
            let file = File::open(path).map_err(|error| disk(path, &error))?;
            let mut counted = Counted { inner: file, found: 0 };
            tar.append_data(&mut header, name, (&mut counted).take(*size)).map_err(told)?;
            // One byte more shows a file that grew; fewer read shows one that shrank, which would shift every entry after.
            counted.read(&mut [0]).map_err(|error| disk(path, &error))?;
            if counted.found != *size {
                let name = item.name.clone();
                return Err(Fault::Changed { name, expected: *size, found: counted.found }.into());
            }
            Ok(())
        }
    }
}

/// Counts the bytes read through it.
struct Counted<R> {
    inner: R,
    found: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.found = self.found.saturating_add(read as u64);
        Ok(read)
    }
}

/// Hashes the bytes written through it.
struct Hashing<W> {
    hasher: Hasher,
    inner: W,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
