//! What can go wrong with the store, told apart by what is to be done about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon has the folder.
    #[error(
        "store: {} is in use by another eyeshine: stop that one, or give this one a folder of its own (--state-dir)",
        dir.display()
    )]
    Locked {
        /// The state folder.
        dir: PathBuf,
    },
    /// The folder, or a file in it, cannot be written.
    #[error("store: {} cannot be written: {why}: make it writable for this user, or name another folder (--state-dir)", path.display())]
    Unwritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The database was written by a later Eyeshine.
    #[error(
        "store: {} has schema {found}, this eyeshine knows schemas up to {known}: install the eyeshine that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The database was written by an earlier Eyeshine, and this command only reads.
    #[error("store: {} has schema {found}, this eyeshine reads schema {known}: start `eyeshine run` once, it brings the database up to date", path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The schema that this program reads.
        known: u32,
    },
    /// The file is not an undamaged database of ours.
    #[error("store: {} is damaged or not an Eyeshine database ({why}): move it away, or put a copy in its place", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing to read yet.
    #[error("store: there is no database {}: start `eyeshine run` first, or name another folder (--state-dir)", path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// No space is left.
    #[error("store: the disk of {} is full: make room", path.display())]
    DiskFull {
        /// The folder or file.
        path: PathBuf,
    },
    /// Too little space is left for the copy that is made of a database before its schema is brought up to date.
    #[error(
        "store: {} is to be brought up to date, and the disk has no room for the copy that is made of it before: make {} MB of room",
        path.display(),
        bytes.div_ceil(1_000_000)
    )]
    NoRoom {
        /// The database.
        path: PathBuf,
        /// What the copy takes.
        bytes: u64,
    },
    /// Another program kept the database locked for longer than the busy timeout.
    #[error("store: {} was locked by another program for too long", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// Reading or writing failed in another way.
    #[error("store: {}: {why}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl StoreError {
    /// Every word that [`reason`](Self::reason) can give, and `lost` for an event that was given up.
    pub const REASONS: [&str; 7] = ["busy", "corrupt", "disk_full", "io", "lost", "refused", "unwritable"];

    /// The word in `eyeshine_store_errors_total{reason}`.
    pub fn reason(&self) -> &'static str {
        match self {
            StoreError::Unwritable { .. } => "unwritable",
            StoreError::DiskFull { .. } | StoreError::NoRoom { .. } => "disk_full",
            StoreError::Busy { .. } => "busy",
            StoreError::Corrupt { .. } => "corrupt",
            StoreError::Io { .. } => "io",
            StoreError::Locked { .. }
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Missing { .. } => "refused",
        }
    }

    /// The exit code of a program that cannot go on without the store: 75 for what may pass by itself, 78 for what a
    /// person must put right.
    pub fn exit_code(&self) -> u8 {
        match self {
            StoreError::Newer { .. } | StoreError::Older { .. } | StoreError::Corrupt { .. } => 78,
            _ => 75,
        }
    }

    pub(super) fn io(path: &Path, error: &io::Error) -> StoreError {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists => StoreError::Unwritable { path, why: error.to_string() },
            _ => StoreError::Io { path, why: error.to_string() },
        }
    }

    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> StoreError {
        /// `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log could not grow, which is a full disk.
        const SHM_SIZE: i32 = 4874;
        let (path, why) = (path.to_owned(), error.to_string());
        let code = match error {
            rusqlite::Error::SqliteFailure(code, _) => code,
            // What stands there is not what was written.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => return StoreError::Corrupt { path, why },
            _ => return StoreError::Io { path, why },
        };
        match code.code {
            ErrorCode::DiskFull => StoreError::DiskFull { path },
            _ if code.extended_code == SHM_SIZE => StoreError::DiskFull { path },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { path },
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                StoreError::Unwritable { path, why }
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { path, why },
            _ => StoreError::Io { path, why },
        }
    }
}
