//! A PostgreSQL server for one test process.
//!
//! The data directory is a copy of one made by `initdb` once and kept, the
//! server runs as an unprivileged user, listens on loopback with TLS, and is
//! ended by the kernel when the process that started it ends. Every test gets a
//! database of its own, copied from one with the schema.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use server::database::Connector;
use server::database::credentials::{CredentialError, CredentialSource, Credentials, Secret};
use server::{migrate, trust};

/// The password every test database starts with.
pub(crate) const PASSWORD: &str = "correct horse";
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) port: u16,
    /// PEM of the authority that signed the server's certificate.
    pub(crate) authority: PathBuf,
}

/// The server of this process, started at first use.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        // a runtime of its own: tests come and go with theirs
        std::thread::spawn(start)
            .join()
            .expect("PostgreSQL can be started")
    })
}

/// Credentials that never change.
pub(crate) struct Fixed(pub Credentials);

impl CredentialSource for Fixed {
    fn fetch(
        &self,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + '_>>
    {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

impl Cluster {
    pub(crate) fn credentials(&self, dbname: &str) -> Credentials {
        Credentials {
            username: "postgres".into(),
            password: Secret::new(PASSWORD.into()),
            host: "localhost".into(),
            port: self.port,
            dbname: dbname.into(),
        }
    }

    pub(crate) fn connector(&self, dbname: &str) -> Connector {
        let tls = trust::client_config(Some(&self.authority)).expect("the authority is readable");
        Connector::new(Fixed(self.credentials(dbname)), tls, "tests")
    }

    /// A plain client, for looking behind the service's back.
    pub(crate) async fn client(&self, dbname: &str) -> tokio_postgres::Client {
        let (client, connection) = self
            .connector(dbname)
            .connect()
            .await
            .expect("the server answers");
        tokio::spawn(connection);
        client
    }

    /// A new database with the schema.
    pub(crate) async fn database(&self) -> String {
        let name = self.empty_name();
        let sql = format!("CREATE DATABASE {name} TEMPLATE kickytime_template");
        self.client("postgres")
            .await
            .batch_execute(&sql)
            .await
            .expect("nobody uses the template");
        name
    }

    /// A new database without anything.
    pub(crate) async fn empty_database(&self) -> String {
        let name = self.empty_name();
        self.client("postgres")
            .await
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .expect("created");
        name
    }

    fn empty_name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

fn start() -> Cluster {
    let account = Account::choose();
    let home = std::env::temp_dir().join(format!("kickytime-server-tests-{}", account.uid));
    fs::create_dir_all(&home).expect("the temporary directory is writable");
    account.own(&home);
    sweep(&home);
    let template = home.join("initdb-1");
    make_template(&home, &template, &account);

    let directory = home.join(format!("run-{}", std::process::id()));
    run(Command::new("cp").arg("-a").arg(&template).arg(&directory));
    let authority = certificates(&directory, &account);
    let cluster = answering(&directory, &account, authority);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let admin = cluster.client("postgres").await;
        admin
            .batch_execute("CREATE DATABASE kickytime_template")
            .await
            .expect("created");
        let applied = migrate::run(&cluster.connector("kickytime_template"), DEADLINE)
            .await
            .expect("migrated");
        assert_eq!(applied, migrate::MIGRATIONS.len());
    });
    cluster
}

/// Starts the server until one answers: a free port may be taken by another
/// process before the server binds it.
fn answering(directory: &Path, account: &Account, authority: PathBuf) -> Cluster {
    let mut cluster = Cluster { port: 0, authority };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let start = Instant::now();
    loop {
        let (port, ended) = spawn(directory, account);
        cluster.port = port;
        while !ended.load(Ordering::Acquire) {
            if runtime
                .block_on(cluster.connector("postgres").connect())
                .is_ok()
            {
                return cluster;
            }
            let log = || fs::read_to_string(directory.join("server.log")).unwrap_or_default();
            assert!(
                start.elapsed() < DEADLINE,
                "PostgreSQL does not answer: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The user PostgreSQL runs as: it refuses to run as root.
struct Account {
    uid: u32,
    gid: u32,
    switch: bool,
}

impl Account {
    fn choose() -> Self {
        let output = Command::new("id").arg("-u").output().expect("`id` exists");
        let uid: u32 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a number");
        if uid != 0 {
            return Self {
                uid,
                gid: 0,
                switch: false,
            };
        }
        let passwd = fs::read_to_string("/etc/passwd").expect("readable");
        let find = |name: &str| {
            let line = passwd
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let (uid, gid) = find("postgres")
            .or_else(|| find("nobody"))
            .expect("an unprivileged user exists");
        Self {
            uid,
            gid,
            switch: true,
        }
    }

    fn own(&self, path: &Path) {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid)).expect("root may give files away");
        }
    }

    /// A command as this user that dies with the thread that starts it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if self.switch {
            command.args([
                &format!("--reuid={}", self.uid),
                &format!("--regid={}", self.gid),
                "--clear-groups",
            ]);
        }
        command.arg(program).current_dir("/");
        command
    }
}

/// Directories of test processes that are gone.
fn sweep(home: &Path) {
    for entry in fs::read_dir(home).expect("readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pid) = name.strip_prefix("run-")
            && !Path::new("/proc").join(pid).exists()
        {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Makes the template directory unless it exists. Test processes that start at
/// the same time make one each; the first to be done wins.
fn make_template(home: &Path, template: &Path, account: &Account) {
    if template.exists() {
        return;
    }
    let draft = home.join(format!("draft-{}", std::process::id()));
    let password = home.join(format!("password-{}", std::process::id()));
    fs::write(&password, PASSWORD).expect("written");
    account.own(&password);
    let mut initdb = account.command(&program("initdb"));
    initdb.args([
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    run(initdb.arg("--pwfile").arg(&password).arg("-D").arg(&draft));
    fs::remove_file(&password).expect("removed");
    if fs::rename(&draft, template).is_err() {
        fs::remove_dir_all(&draft).ok();
    }
}

fn program(name: &str) -> PathBuf {
    let on_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|v| v.path().join("bin"));
    on_path
        .unwrap_or_default()
        .into_iter()
        .chain(debian)
        .map(|directory| directory.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("`{name}` not found: install PostgreSQL (`./setup` does)"))
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A certificate for `localhost`, and the authority a client must trust for it.
fn certificates(directory: &Path, account: &Account) -> PathBuf {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let authority_certificate = authority.self_signed(&authority_key).expect("signed");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into()])
        .expect("a DNS name")
        .signed_by(&key, &issuer)
        .expect("signed");
    for (name, pem) in [
        ("server.crt", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let path = directory.join(name);
        fs::write(&path, pem).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        account.own(&path);
    }
    let path = directory.join("authority.crt");
    fs::write(&path, authority_certificate.pem()).expect("written");
    path
}

/// Starts the server on a thread that lasts as long as the process: the
/// kernel ends the server when that thread ends. The flag tells when the server
/// has ended by itself.
fn spawn(directory: &Path, account: &Account) -> (u16, Arc<AtomicBool>) {
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("loopback")
        .local_addr()
        .expect("bound")
        .port();
    let mut command = account.command(&program("postgres"));
    command
        .arg("-D")
        .arg(directory)
        .args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "ssl=on",
        // nothing here has to survive a power cut
        "fsync=off",
        "max_connections=200",
        "log_min_messages=warning",
        // fail a deadlock quickly, as a test should
        "deadlock_timeout=200ms",
    ] {
        command.args(["-c", setting]);
    }
    // the password in clear inside TLS: unoptimised SCRAM takes the client longer than a test
    let hba = "hostssl all all 127.0.0.1/32 password\n";
    fs::write(directory.join("pg_hba.conf"), hba).expect("written");
    let log = fs::File::create(directory.join("server.log")).expect("created");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    let (started, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let child = command.spawn();
        started.send(child.is_ok()).expect("the starter waits");
        if let Ok(mut child) = child {
            child.wait().ok();
        }
        told.store(true, Ordering::Release);
    });
    assert!(
        wait.recv().expect("the thread answers"),
        "`setpriv` and `postgres` start"
    );
    (port, ended)
}
