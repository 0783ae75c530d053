//! The daemon's end of the control socket.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use super::{Facts, Status, request::Request};
use crate::{
    family,
    ipvs::{Namespace, Setting},
    procfs::Place,
};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// The control socket. Its file goes with it.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Opens the socket. A file that a daemon left behind is replaced.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or the socket not be opened.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Nobody else is listening: whoever gets here holds the lock on the pin directory. A socket
        // that answers belongs to a daemon with another one.
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Answers until the daemon ends.
    pub async fn serve(self, facts: Facts, server: family::Server) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (facts, server) = (facts.clone(), server.clone());
                    tokio::spawn(async move {
                        match timeout(PATIENCE, answer(stream, &facts, &server)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::debug!(%error, "control client lost"),
                            Err(_) => tracing::debug!("control client said nothing"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control client not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.path);
    }
}

/// A text, or why there is none.
fn text(result: Result<String, String>) -> String {
    match result {
        Ok(text) => serde_json::json!({ "text": text }),
        Err(error) => serde_json::json!({ "error": error }),
    }
    .to_string()
}

fn setting_text(
    server: &family::Server,
    ns: Namespace,
    setting: Setting,
    given: Option<&str>,
) -> Result<String, String> {
    if let Some(given) = given {
        let mut serving = server.table();
        let settings = serving.ipvs.table_mut(ns).settings_mut();
        settings
            .set(setting, given)
            .map_err(|error| error.to_string())?;
        tracing::info!(namespace = ns.0, setting = setting.name(), given, "changed");
    }
    let text = Place::Setting(setting).text(server, ns);
    Ok(text.trim_end().to_owned())
}

async fn answer(stream: UnixStream, facts: &Facts, server: &family::Server) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut line = String::new();
    BufReader::new(tokio::io::AsyncReadExt::take(from, 256))
        .read_line(&mut line)
        .await?;
    let reply = match Request::of(&line) {
        Some(Request::Status) => serde_json::to_string(&Status::now(facts, server))?,
        Some(Request::File(ns, file)) => text(Ok(Place::File(file).text(server, ns))),
        Some(Request::Setting(ns, setting, given)) => {
            text(setting_text(server, ns, setting, given.as_deref()))
        }
        None => text(Err("unknown request".to_owned())),
    };
    to.write_all(reply.as_bytes()).await?;
    to.write_all(b"\n").await
}
