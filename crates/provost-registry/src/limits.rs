//! Every bound on what a registry, a token service or a credential helper may make us read, wait for or keep.

use std::time::Duration;

/// The largest error answer that is read before it is parsed: the specification's documents have a few hundred
/// bytes, so 64 KiB is a hundredfold; the rest is not read.
pub const ERROR_BODY_LIMIT: u64 = 64 * 1024;

/// How much of one message of a registry is ever shown (security.md 24).
pub const ERROR_SHOWN: usize = 512;

/// How many entries of an error answer are kept: 8 × (code + message + detail) of 512 bytes are 12 KiB.
pub const ERROR_ENTRIES: usize = 8;

/// The largest answer of a token service: tokens have 1 to 8 KiB, so 1 MiB is over a hundredfold.
pub const TOKEN_ANSWER_LIMIT: u64 = 1024 * 1024;

/// The longest token that is put into a header: most servers take 8 to 16 KiB of headers, the most lenient more.
pub const TOKEN_LENGTH_LIMIT: usize = 32 * 1024;

/// The longest `WWW-Authenticate` that is read: a real one has about 200 bytes.
pub const CHALLENGE_LIMIT: usize = 8 * 1024;

/// How many parameters the challenges of one answer may have together: a real one has 3 or 4.
pub const CHALLENGE_PARAMETERS: usize = 32;

/// How many redirects are followed for one request (Go's and go-containerregistry's limit).
pub const REDIRECTS: usize = 10;

/// The largest page of a referrers answer: a descriptor has about 500 bytes, so 16 MiB hold over 30,000.
pub const REFERRERS_PAGE_LIMIT: u64 = 16 * 1024 * 1024;

/// How many referrers of one digest are taken: 20 × cosign's limit of 1,000 attachments.
pub const REFERRERS_LIMIT: usize = 20_000;

/// The largest page of a tag list: 1,000 tags of at most 128 characters with quotes and commas are 131 KB; some
/// registries send all tags at once, and 16 MiB hold 100,000 such tags.
pub const TAGS_PAGE_LIMIT: u64 = 16 * 1024 * 1024;

/// How many tags of one repository are taken: at 128 characters these are 12.8 MB.
pub const TAGS_LIMIT: usize = 100_000;

/// How many pages of tags or referrers are fetched: 100,000 tags come in 100 pages of 1,000.
pub const PAGES: usize = 256;

/// The largest docker configuration or `.dockerconfigjson` that is read; a Secret holds at most 1 MiB.
pub const DOCKER_CONFIG_LIMIT: u64 = 4 * 1024 * 1024;

/// How much a credential helper may print.
pub const HELPER_OUTPUT_LIMIT: u64 = 1024 * 1024;

/// How long a credential helper may take.
pub const HELPER_TIME: Duration = Duration::from_secs(10);

/// How long a connection may take to stand: go-containerregistry's dial timeout.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long a registry may send nothing in the middle of an answer.
pub const IDLE_TIME: Duration = Duration::from_secs(60);

/// How long a host that answered over http is still waited for to answer a TLS greeting as well.
pub const TLS_GRACE: Duration = Duration::from_secs(1);

/// How long a host may stay silent after a TLS greeting before it counts as not speaking TLS.
pub const TLS_SILENCE: Duration = Duration::from_secs(5);

/// The longest wait that a `Retry-After` is granted: 3 tries then wait at most 20 s, which fits into the 30 s an
/// admission webhook has.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(10);

/// How many registries, tokens and credentials are remembered; beyond that all are forgotten and asked anew. A
/// hostile registry's tokens at 8 KiB of challenge and 32 KiB of token each are 80 MiB, honest ones at 2 KiB 4 MiB.
pub const REMEMBERED: usize = 2048;

/// How long a credential is remembered before its source is asked again: those of cloud helpers change every few
/// hours, mounted files when a Secret does.
pub const CREDENTIAL_LIFE: Duration = Duration::from_secs(300);

/// How many addresses of one name are greeted: no registry's name has more than a handful.
pub const ADDRESSES: usize = 8;

/// The longest life a token is given credit for, whatever its service says; older ones are fetched anew.
pub const TOKEN_LIFE_LIMIT: Duration = Duration::from_secs(3600);

/// How often the fallback tag is written again when another writer was quicker: each round serves one of sixty-four.
pub const FALLBACK_TAG_TRIES: usize = 64;
/// How many times the span of a write of ours is waited for before the fallback tag is read back: another writer who
/// read it before our write overwrites it within a span like ours, and only a look after that sees the loss.
pub(crate) const FALLBACK_TAG_SPANS: u32 = 6;
/// The longest wait before the fallback tag is read back, however slow the registry is.
pub(crate) const FALLBACK_TAG_WAIT: Duration = Duration::from_secs(5);

/// How deep lists of lists are followed when an image is carried elsewhere: images for several platforms have one level,
/// lists of those two.
pub const INDEX_DEPTH: usize = 4;

/// How many manifests of one image are carried, its lists included, by `copy`, `save` and `load` alike: over ten for each
/// platform Go knows (45), in two lists.
pub const MEMBERS: usize = 1000;

/// Blobs carried at once, go-containerregistry's number of jobs.
pub const CARRIED_AT_ONCE: usize = 4;

/// The largest file of a saved layout that is looked at for being a manifest with a subject: the manifests of bundles have
/// under 2 KiB, so 4 MiB is two thousandfold, while layers are passed over.
pub const SAVED_MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;
