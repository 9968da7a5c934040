//! Where the tables are: what addresses mean, and whether anybody is there.

use super::{ANSWERED_WITHIN, StoreError};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection};
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use url::Url;

/// How long a refused connection to PostgreSQL is tried again at the start.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(2);
/// What every SQLite database begins with, as its file format says.
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Refuses a file that is no database, by name and at once: the pool would go on trying for half a minute.
pub(super) fn check_sqlite(path: &Path) -> Result<(), StoreError> {
    let mut head = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // An empty file is one that was made and not written yet.
        Ok(_) if head.is_empty() || head == SQLITE_MAGIC => Ok(()),
        Ok(_) => Err(StoreError::NotTables(path.to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::IsADirectory => Err(StoreError::NotTables(path.to_owned())),
        Err(e) => Err(StoreError::Sql(sqlx::Error::Io(e))),
    }
}

/// The address of a file; a path with a `?` or `%` in it means that file too.
pub(super) fn sqlite_at(path: &Path) -> Result<AnyConnectOptions, StoreError> {
    let absolute = std::path::absolute(path).map_err(sqlx::Error::Io)?;
    let not_a_path = || StoreError::Value(format!("`{}` cannot be named in an address", path.display()));
    let mut url = Url::from_file_path(absolute).map_err(|()| not_a_path())?;
    url.set_query(Some("mode=rwc"));
    let url = url.as_str().replacen("file:", "sqlite:", 1);
    Ok(AnyConnectOptions::from_str(&url)?)
}

/// The address of a PostgreSQL database. One that is not on this machine is reached by TLS, with a certificate that holds for its name, unless the
/// address says otherwise.
pub(super) fn postgres_at(address: &str) -> Result<AnyConnectOptions, StoreError> {
    let mut url = Url::parse(address).map_err(|e| StoreError::Address(e.to_string()))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(StoreError::Address(format!("it begins with `{}:`, not with `postgres:`", url.scheme())));
    }
    let mut hosts = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()).into_iter().collect::<Vec<_>>();
    let mut mode = None;
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "host" | "hostaddr" => hosts.push(value.into_owned()),
            "sslmode" | "ssl-mode" => mode = Some(value.into_owned()),
            _ => {}
        }
    }
    // A name that begins with a slash, plain or escaped, is the folder of a socket.
    let is_here = |host: &String| {
        let is_socket = host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
        host.is_empty()
            || host == "localhost"
            || is_socket
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    if let Some(host) = hosts.into_iter().find(|host| !is_here(host)) {
        match mode.as_deref() {
            None => _ = url.query_pairs_mut().append_pair("sslmode", "verify-full"),
            // These go on in the clear when somebody in between says that there is no TLS.
            Some("allow" | "prefer") => return Err(StoreError::Unprotected(host)),
            Some(_) => {}
        }
    }
    Ok(AnyConnectOptions::from_str(url.as_str())?)
}

/// Host and port of an address, as it names them, without what else may be in it.
pub(super) fn place_of(address: &str) -> String {
    let Ok(url) = Url::parse(address) else { return String::new() };
    let pair = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let named = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned);
    let host = pair("host").or_else(|| pair("hostaddr")).or(named).unwrap_or_else(|| "localhost".to_owned());
    let port = pair("port").or_else(|| url.port().map(|port| port.to_string()));
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

/// Makes sure that somebody takes connections at `at`, and tells who does not: a connection that is refused is tried again for `patience` alone,
/// as whoever started both at once may be a moment early, while the pool would try for half a minute and then not say why. Whatever else
/// is wrong is left to the pool, which waits for a server that is starting.
pub(super) async fn reach<F: Future<Output = Result<AnyConnection, sqlx::Error>>>(
    at: &str,
    patience: Duration,
    connect: impl Fn() -> F,
) -> Result<(), StoreError> {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(50));
    loop {
        let error = match tokio::time::timeout(ANSWERED_WITHIN, connect()).await {
            Ok(Ok(connection)) => {
                // That it was open is all that was asked.
                drop(connection.close().await);
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
        let is_refused = matches!(&error, sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused);
        if !is_refused || begun.elapsed() + pause > patience {
            return match unreachable(at, error) {
                error @ StoreError::Unreachable { .. } => Err(error),
                _ => Ok(()),
            };
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// What it means at the start that a connection failed so.
pub(super) fn unreachable(at: &str, error: sqlx::Error) -> StoreError {
    let why = match &error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => format!("it took no connection within {} seconds", ANSWERED_WITHIN.as_secs()),
        _ => return error.into(),
    };
    StoreError::Unreachable { at: at.to_owned(), why }
}
