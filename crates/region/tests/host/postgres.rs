//! A real server: who may connect how, and what outlives what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use region::blueprint::network::lower::{NamespaceName, lower};
use region::host::launch::Inside;
use region::host::netns::{Namespaces, Netns};
use region::host::process::{CA_BUNDLE, ChildCommand, Exit, Spawner, View};
use region::postgres::{self, Database, Durability, Installation, Prepared, Secret, prepare};
use region::state::StateDirectory;
use region::supervise::{Event, supervise};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::network::small;
use crate::scenario::runtime;

/// The `other` interface of the small network stands for RDS.
const ADDRESS: &str = "10.0.10.24";

struct World {
    namespaces: Namespaces,
    spawner: Spawner,
    state: StateDirectory,
    certificate: String,
    prepared: Prepared,
}

impl World {
    async fn start(inside: &Inside, durability: Durability) -> Self {
        let namespaces = Namespaces::build(&lower(&small())).unwrap();
        let spawner = Spawner::start(inside.privilege, inside.allowed).unwrap();
        let state = PathBuf::from(std::env::var_os("STATE").unwrap());
        let state = StateDirectory::open(&state, false).unwrap();
        let signed = rcgen::generate_simple_self_signed(vec![ADDRESS.to_owned()]).unwrap();
        let wanted = Database {
            name: "Database".to_owned(),
            namespace: namespaces
                .get(&NamespaceName::Eni("other".into()))
                .unwrap()
                .clone(),
            address: ADDRESS.parse().unwrap(),
            port: 5432,
            database: Some("kickytime".to_owned()),
            master_user: "master".to_owned(),
            certificates: signed.cert.pem(),
            key: Secret(signed.signing_key.serialize_pem()),
            force_ssl: true,
            parameters: BTreeMap::from([("work_mem".to_owned(), "7MB".to_owned())]),
            durability,
        };
        let installation = Installation::find().unwrap();
        let start = Instant::now();
        let prepared = prepare(&spawner, inside.privilege, &installation, &state, &wanted)
            .await
            .unwrap();
        println!("prepared in {:?}", start.elapsed());
        let certificate = signed.cert.pem();
        Self {
            namespaces,
            spawner,
            state,
            certificate,
            prepared,
        }
    }

    fn app(&self) -> &Netns {
        self.namespaces
            .get(&NamespaceName::Eni("app".into()))
            .unwrap()
    }

    /// What `psql` prints, or how it was refused.
    async fn psql(
        &self,
        user: &str,
        password: &str,
        ssl: &str,
        sql: &str,
    ) -> Result<String, String> {
        let target = format!(
            "host={ADDRESS} user={user} dbname=kickytime sslmode={ssl} sslrootcert={CA_BUNDLE} \
             connect_timeout=5"
        );
        let command = ChildCommand {
            name: "psql".to_owned(),
            program: "/usr/bin/psql".into(),
            arguments: [&target, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
                .iter()
                .map(Into::into)
                .collect(),
            environment: BTreeMap::from([
                ("PGPASSWORD".into(), password.into()),
                ("HOME".into(), "/tmp".into()),
            ]),
            directory: "/".into(),
            namespace: self.app().clone(),
            view: View {
                ca_bundle: self.certificate.clone(),
                ..View::default()
            },
        };
        let mut child = self.spawner.spawn(&command).await.unwrap();
        let (mut output, mut errors) = (child.output.take().unwrap(), child.errors.take().unwrap());
        let mut texts = [Vec::new(), Vec::new()];
        while let Some(line) = output.next().await.unwrap() {
            texts[0].push(line);
        }
        while let Some(line) = errors.next().await.unwrap() {
            texts[1].push(line);
        }
        let [output, errors] = texts.map(|lines| lines.join("\n"));
        match child.wait().await.unwrap() {
            Exit::Code(0) => Ok(output),
            _ => Err(errors),
        }
    }
}

/// Runs `work` while the server is supervised, and stops the server after it.
/// Returns what `work` does, and the events.
async fn while_running<T>(
    world: &World,
    work: impl AsyncFnOnce(&mut mpsc::UnboundedReceiver<Event>) -> T,
) -> T {
    let stop = CancellationToken::new();
    let (sender, mut events) = mpsc::unbounded_channel();
    let event = |event: Event| {
        if let Event::Output { line, .. } = &event {
            println!("postgres: {line}");
        }
        sender.send(event).unwrap();
    };
    let policy = postgres::policy();
    let server = supervise(
        &world.spawner,
        &policy,
        &stop,
        || world.prepared.command(),
        event,
    );
    let both = async {
        let result = work(&mut events).await;
        stop.cancel();
        result
    };
    let ((), result) = tokio::join!(server, both);
    let mut last = None;
    while let Ok(event) = events.try_recv() {
        last = Some(event);
    }
    let clean = matches!(
        last,
        Some(Event::Stopped {
            exit: Some(Exit::Code(0))
        })
    );
    assert!(clean, "a fast shutdown ends with 0: {last:?}");
    result
}

fn secret(text: &str) -> Secret {
    Secret(text.to_owned())
}

pub(crate) fn whole(inside: &Inside) -> u8 {
    runtime().block_on(async {
        let world = World::start(inside, Durability::Durable).await;
        let start = Instant::now();
        while_running(&world, async |events| {
            world
                .prepared
                .finish(&secret("first-password"))
                .await
                .unwrap();
            println!("first start finished in {:?}", start.elapsed());
            connections(&world).await;
            rotation(&world).await;
            killed(&world, events).await;
        })
        .await;
        fresh_from_the_template(inside, world).await;
    });
    println!("all as expected");
    0
}

async fn connections(world: &World) {
    let query = async |user, password, ssl, sql| world.psql(user, password, ssl, sql).await;
    let good = "first-password";
    let shown = query("master", good, "verify-full", "SHOW work_mem").await;
    assert_eq!(shown.as_deref(), Ok("7MB"), "the parameter group");
    let shown = query("master", good, "verify-full", "SHOW fsync; SHOW ssl").await;
    assert_eq!(shown.as_deref(), Ok("on\non"));
    let sql = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(
        query("master", good, "require", sql).await.as_deref(),
        Ok("TLSv1.3")
    );
    let sql = "SELECT client_addr FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(
        query("master", good, "require", sql).await.as_deref(),
        Ok("10.0.10.23")
    );
    let sql = "SELECT rolsuper, rolcreaterole, rolcreatedb, pg_has_role('rds_superuser', 'member') \
               FROM pg_roles WHERE rolname = current_user";
    assert_eq!(
        query("master", good, "require", sql).await.as_deref(),
        Ok("f|t|t|t")
    );
    query("master", good, "require", "CREATE TABLE kept (n int)")
        .await
        .unwrap();
    query("master", good, "require", "INSERT INTO kept VALUES (1)")
        .await
        .unwrap();

    let refused = |result: Result<String, String>, words: &str| {
        let error = result.unwrap_err();
        assert!(error.contains(words), "{error}");
    };
    refused(
        query("master", good, "disable", "SELECT 1").await,
        "pg_hba.conf rejects",
    );
    refused(
        query("master", "wrong-password", "require", "SELECT 1").await,
        "authentication failed",
    );
    refused(
        query("rdsadmin", good, "require", "SELECT 1").await,
        "pg_hba.conf rejects",
    );
    let superuser = "ALTER ROLE master SUPERUSER";
    refused(
        query("master", good, "require", superuser).await,
        "must be superuser",
    );
    let program = "COPY kept FROM PROGRAM 'id'";
    refused(
        query("master", good, "require", program).await,
        "must be superuser",
    );
}

async fn rotation(world: &World) {
    world
        .prepared
        .set_master_password(&secret("second-password"))
        .await
        .unwrap();
    let old = world
        .psql("master", "first-password", "require", "SELECT 1")
        .await
        .unwrap_err();
    assert!(old.contains("authentication failed"), "{old}");
    let new = world
        .psql("master", "second-password", "require", "SELECT 1")
        .await;
    assert_eq!(new.as_deref(), Ok("1"));
    let bad = world
        .prepared
        .set_master_password(&secret("short"))
        .await
        .unwrap_err();
    assert_eq!(
        bad.to_string(),
        "the password is not 8 to 128 printable ASCII characters"
    );
}

async fn killed(world: &World, events: &mut mpsc::UnboundedReceiver<Event>) {
    let Some(Event::Started { pid }) = events.recv().await else {
        panic!("it was started")
    };
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let start = Instant::now();
    loop {
        let kept = world
            .psql("master", "second-password", "require", "SELECT n FROM kept")
            .await;
        match kept {
            Ok(kept) => {
                assert_eq!(kept, "1");
                println!("back after {:?}", start.elapsed());
                return;
            }
            Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
        }
    }
}

async fn fresh_from_the_template(inside: &Inside, world: World) {
    let state = world.state.path().to_owned();
    drop(world);
    std::fs::remove_dir_all(state.join("postgres")).unwrap();
    let world = World::start(inside, Durability::Fast).await;
    let start = Instant::now();
    while_running(&world, async |_| {
        world
            .prepared
            .finish(&secret("third-password"))
            .await
            .unwrap();
        println!("from the template, finished in {:?}", start.elapsed());
        let sql = "SELECT 1 FROM pg_tables WHERE tablename = 'kept'";
        let none = world.psql("master", "third-password", "require", sql).await;
        assert_eq!(none.as_deref(), Ok(""));
        let sql = "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)";
        world
            .psql("master", "third-password", "require", sql)
            .await
            .unwrap();
    })
    .await;
}

pub(crate) fn write_and_wait(inside: &Inside) -> u8 {
    runtime().block_on(async {
        let world = World::start(inside, Durability::Durable).await;
        while_running(&world, async |_| {
            world
                .prepared
                .finish(&secret("first-password"))
                .await
                .unwrap();
            let sql = "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)";
            world
                .psql("master", "first-password", "require", sql)
                .await
                .unwrap();
            println!("committed");
            std::future::pending::<()>().await;
        })
        .await;
    });
    1
}

pub(crate) fn again(inside: &Inside) -> u8 {
    runtime().block_on(async {
        let world = World::start(inside, Durability::Durable).await;
        let start = Instant::now();
        while_running(&world, async |_| {
            world
                .prepared
                .finish(&secret("later-password"))
                .await
                .unwrap();
            println!("warm start finished in {:?}", start.elapsed());
            let kept = world
                .psql("master", "later-password", "require", "SELECT n FROM kept")
                .await;
            assert_eq!(kept.as_deref(), Ok("1"));
        })
        .await;
    });
    println!("all as expected");
    0
}
