//! A service, its makers and terminals, all in one temporary folder.

pub(crate) mod fault;
pub(crate) mod site;
pub(crate) mod web;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::post;
use patternc::blob::{self, EngineRange, Meta};
use patternc::compile::{Compiler, SourceKind};
use serde_json::{Value, json};
use sqlx::AnyPool;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use updater::agent::{
    self, Agent, AgentError, BoxError, Engine, Enrolment, Exported, Manifest, SelfTest, SelfTestError, SelfTestPlan, Status,
};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::maker::Maker;
use updater::operator::Operator;
use updater::service::{Bucket, Config, Database, Limits, Rate, Running, serve};
use updater::wire::{ChannelRelease, Designation, Sha256Hex};
use updater::{Channel, Network, installed_database};
use url::Url;

pub(crate) fn channel(text: &str) -> Channel {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str, release: u64) -> ChannelRelease {
    ChannelRelease { channel: channel(text), release }
}

/// Writes a bundle of the newest releases of these channels.
pub(crate) async fn export(service: &Url, channels: &[Channel], path: &Path) -> Result<Exported, AgentError> {
    let gathered = agent::gather(service, channels, &Network::default(), tempfile::tempfile().unwrap()).await?;
    gathered.write_to(&mut fs::File::create(path).unwrap()).unwrap();
    Ok(gathered.exported().clone())
}

const CHILD: &str = "TITER_TEST_STATE";

/// Not a test of its own: what [`Terminal::update_by_child`] runs.
#[test]
fn child() {
    if let Some(state) = std::env::var_os(CHILD) {
        let agent = Agent::new(PathBuf::from(state), FakeEngine::default());
        updater::block_on(agent.update()).unwrap().unwrap();
    }
}

/// Runs the test of this name in a process of its own, so that nothing beside it counts in what it measures of its process. False in that
/// process, where the test is to be gone on with.
pub(crate) fn ran_alone(test: &str) -> bool {
    const ALONE: &str = "TITER_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return false;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ran = command.args([test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    true
}

/// Links by writing the digests of the blobs, one a line; tests that every line is one.
#[derive(Clone, Default)]
pub(crate) struct FakeEngine {
    pub(crate) fails: Arc<AtomicBool>,
    /// Blobs with which no database passes its test.
    bad: Arc<Mutex<Vec<Sha256Hex>>>,
    /// What every self-test comes to, if not to what it finds.
    ends: Arc<Mutex<Option<SelfTestError>>>,
}

impl FakeEngine {
    /// Has every self-test end in this way from now on.
    pub(crate) fn ends_with(&self, fault: Option<SelfTestError>) {
        *self.ends.lock().unwrap() = fault;
    }

    pub(crate) fn refuse(&self, blob: &[u8]) {
        self.bad.lock().unwrap().push(Sha256Hex::of(blob));
    }
}

impl Engine for FakeEngine {
    fn version(&self) -> String {
        "0.1.0".to_owned()
    }

    fn link(&self, blobs: &[PathBuf], database: &Path) -> Result<(), BoxError> {
        let mut text = String::new();
        for blob in blobs {
            writeln!(text, "{}", Sha256Hex::of(&fs::read(blob)?))?;
        }
        Ok(fs::write(database, text)?)
    }

    fn self_test(&self, database: &Path, plan: &SelfTestPlan) -> Result<SelfTest, SelfTestError> {
        if let Some(fault) = self.ends.lock().unwrap().clone() {
            return Err(fault);
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(SelfTestError::failed("EICAR was not detected"));
        }
        for harmful in &plan.harmful {
            let sample = fs::read(&harmful.path).map_err(SelfTestError::failed)?;
            if sample.starts_with(b"unknown") {
                return Err(SelfTestError::Misses { sample: harmful.name.clone() });
            }
        }
        let text = fs::read_to_string(database).map_err(SelfTestError::failed)?;
        for line in text.lines() {
            if self.bad.lock().unwrap().contains(&line.parse().map_err(SelfTestError::failed)?) {
                return Err(SelfTestError::failed("a clean file was detected"));
            }
        }
        let system_files = plan.clean.len() as u32;
        Ok(SelfTest {
            samples: 2 + plan.harmful.len() as u32,
            system_files,
            changed_files: 0,
            signatures: text.lines().count() as u64,
        })
    }
}

/// A service, and a terminal that runs release 1 of the one channel there is, with so many signatures.
pub(crate) async fn world_with_one_terminal(signatures: u32) -> (World, Maker, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..signatures).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    (world, maker, terminal)
}

/// Copies a folder with all it holds.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) url: Url,
    pub(crate) operator: Operator,
    stop: Option<oneshot::Sender<()>>,
    running: Option<Running>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(|config| config).await
    }

    /// With other settings than the usual.
    pub(crate) async fn with(change: impl FnOnce(Config) -> Config) -> World {
        World::within(tempfile::tempdir().unwrap(), change).await
    }

    pub(crate) async fn within(dir: TempDir, change: impl FnOnce(Config) -> Config) -> World {
        make_schema(dir.path()).await;
        let (running, stop) = start(change(config(dir.path()))).await;
        let url = running.url();
        let operator = Operator::new(&url, running.operator_token()).unwrap();
        World { dir, url, operator, stop: Some(stop), running: Some(running) }
    }

    /// Stops the service, lets `between` happen to its data, and starts it again at another port.
    pub(crate) async fn restart(&mut self, between: impl FnOnce(&Path)) {
        self.stop().await;
        between(&self.dir.path().join("service"));
        self.start().await;
    }

    /// Starts a replica of the service with a folder of its own, which has the keys and the operator's token.
    pub(crate) async fn replica(&self, change: impl FnOnce(Config) -> Config) -> Replica {
        let (first, data) = (self.dir.path().join("service"), self.dir.path().join(format!("replica-{}", next_number())));
        copy(&first.join("keys"), &data.join("keys"));
        fs::copy(first.join("operator-token"), data.join("operator-token")).unwrap();
        let config = change(Config { data_dir: data.clone(), ..config(self.dir.path()) });
        let (running, stop) = start(config).await;
        let url = running.url();
        Replica { operator: Operator::new(&url, running.operator_token()).unwrap(), url, data, running, stop }
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap().finished().await.unwrap();
        tables_closed(self.dir.path()).await;
    }

    pub(crate) async fn start(&mut self) {
        let (running, stop) = start(config(self.dir.path())).await;
        self.url = running.url();
        self.operator = Operator::new(&self.url, running.operator_token()).unwrap();
        (self.running, self.stop) = (Some(running), Some(stop));
    }

    /// How many reports of this outcome, or of trouble with this code, the service has.
    pub(crate) async fn reported(&self, outcome_or_code: &str) -> i64 {
        let pool = tables(self.dir.path()).await;
        let count = sqlx::query_scalar("SELECT count(*) FROM reports WHERE outcome = $1 OR code = $1");
        let count = count.bind(outcome_or_code).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count
    }

    /// Changes the service's tables behind its back, as time would.
    pub(crate) async fn sql(&self, statement: &str) {
        let pool = tables(self.dir.path()).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// What has the service read its certificate anew.
    pub(crate) fn certificate_reader(&self) -> impl Fn() + Send + Sync + 'static {
        self.running.as_ref().unwrap().certificate_reader()
    }

    pub(crate) fn token(&self) -> &str {
        self.running.as_ref().unwrap().operator_token()
    }

    /// A file of the service's object folder.
    pub(crate) fn object(&self, path: &str) -> PathBuf {
        self.dir.path().join("service/objects").join(path)
    }

    pub(crate) async fn maker(&self, name: &str) -> Maker {
        let maker = Maker::init(&self.dir.path().join("makers").join(name), &name.parse().unwrap()).unwrap();
        maker.register(&self.url, self.token()).await.unwrap();
        maker
    }

    /// Releases and publishes a blob of `signatures`; returns its bytes.
    pub(crate) async fn publish(
        &self,
        maker: &Maker,
        channel: &str,
        release: u64,
        signatures: std::ops::Range<u32>,
    ) -> Vec<u8> {
        let blob = blob(channel, release, signatures);
        maker.release(&self.write("new.titer", &blob)).unwrap();
        maker.publish(&self.url).await.unwrap();
        blob
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) async fn terminal(&self, name: &str, channels: &[&str], designation: Designation) -> Terminal {
        let terminal = self.stranger(name);
        let token = self.operator.enrolment_token().await.unwrap();
        let channels = channels.iter().map(|text| channel(text)).collect();
        let enrolment = Enrolment { designation, ..Enrolment::of_this_machine(self.url.clone(), token, channels) };
        terminal.agent.enroll(&enrolment).await.unwrap();
        terminal
    }

    /// A terminal that is not enrolled.
    pub(crate) fn stranger(&self, name: &str) -> Terminal {
        let folder = self.dir.path().join("terminals").join(name);
        let engine = FakeEngine::default();
        Terminal { agent: Agent::new(&folder, engine.clone()).clean_folders([]), engine, folder }
    }
}

/// Another replica of a world's service.
pub(crate) struct Replica {
    pub(crate) url: Url,
    pub(crate) operator: Operator,
    pub(crate) data: PathBuf,
    running: Running,
    stop: oneshot::Sender<()>,
}

impl Replica {
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.finished().await.unwrap();
    }
}

fn next_number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(2);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Bucket of an S3 that tests may use, with a prefix for what is below `dir`; `None` where there is no such server or no PostgreSQL.
pub(crate) fn shared(dir: &Path) -> Option<Bucket> {
    let bucket = std::env::var("TITER_TEST_S3").ok().filter(|_| is_on_postgres())?;
    Some(format!("{bucket}/{}", schema(dir)).parse().unwrap())
}

/// The service's settings for data below `dir`, at a free port.
pub(crate) fn config(dir: &Path) -> Config {
    // Tests do in a second what terminals do in a day; those of the limits set their own.
    let plenty = Rate::new(1_000_000, Duration::from_nanos(100));
    let limits = Limits { terminal: plenty, address: plenty, strangers: plenty, ..Limits::default() };
    let database = postgres(dir).map(Database::Postgres);
    Config { database, limits, ..Config::new(dir.join("service"), "127.0.0.1:0".parse().unwrap()) }
}

/// Address of a PostgreSQL that tests may use; each takes a schema of its own. Without it the tables are in SQLite.
const POSTGRES: &str = "TITER_TEST_POSTGRES";

/// Waits until nothing in this process has the service's tables open. A connection that was being made when its task was stopped ends in a
/// thread of its own, after the service, and what it does then to files that a test has put in the place of others is not foreseen.
pub(crate) async fn tables_closed(dir: &Path) {
    let tables = dir.join("service/titer.sqlite3").into_os_string().into_string().unwrap();
    let is_open = || {
        let files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.to_string_lossy().starts_with(&tables))
    };
    for _ in 0..3000 {
        if !is_open() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{tables} stays open");
}

pub(crate) fn is_on_postgres() -> bool {
    std::env::var_os(POSTGRES).is_some()
}

fn schema(dir: &Path) -> String {
    format!("t{}", &Sha256Hex::of(dir.to_str().unwrap().as_bytes()).to_string()[..24])
}

fn postgres(dir: &Path) -> Option<String> {
    let mut url = std::env::var(POSTGRES).ok()?.parse::<Url>().unwrap();
    url.query_pairs_mut().append_pair("options[search_path]", &schema(dir));
    Some(url.into())
}

pub(crate) async fn make_schema(dir: &Path) {
    if let Ok(url) = std::env::var(POSTGRES) {
        sqlx::any::install_default_drivers();
        let pool = AnyPool::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {}", schema(dir)))).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

/// Runs statements on the tables of the service below `dir`, where they are in PostgreSQL.
pub(crate) async fn run_on_postgres(dir: &Path, statements: &'static str) {
    if is_on_postgres() {
        let pool = tables(dir).await;
        sqlx::raw_sql(statements).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

/// The tables of the service below `dir`.
pub(crate) async fn tables(dir: &Path) -> AnyPool {
    sqlx::any::install_default_drivers();
    let file = || format!("sqlite://{}", dir.join("service/titer.sqlite3").display());
    AnyPool::connect(&postgres(dir).unwrap_or_else(file)).await.unwrap()
}

async fn start(config: Config) -> (Running, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let running = serve(config, async { _ = stopped.await }).await.unwrap();
    (running, stop)
}

pub(crate) struct Terminal {
    pub(crate) agent: Agent,
    pub(crate) engine: FakeEngine,
    pub(crate) folder: PathBuf,
}

impl Terminal {
    /// An update in a process of its own, which can be killed or have another environment.
    pub(crate) fn update_by_child(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["support::child", "--exact"]).env(CHILD, &self.folder).stdout(Stdio::null());
        command
    }

    pub(crate) fn status(&self) -> Status {
        agent::status(&self.folder).unwrap()
    }

    /// Checks in as this terminal's agent would, at `service`, and returns the answer.
    pub(crate) async fn check_in_by_hand(&self, client: &reqwest::Client, service: &Url) -> Vec<u8> {
        let read = |name: &str| fs::read(self.folder.join(name)).unwrap();
        let identity: Value = serde_json::from_slice(&read("identity.json")).unwrap();
        let freshness = match fs::read(self.folder.join("contact.json")) {
            Ok(contact) => serde_json::from_slice::<Value>(&contact).unwrap()["freshness"].clone(),
            Err(_) => "".into(),
        };
        let body = json!({"facts": identity["facts"], "applied": self.runs(), "freshness": freshness}).to_string();
        let path = format!("/v1/terminals/{}/check-in", identity["terminal"].as_str().unwrap());
        let counter = jiff::Timestamp::now().as_microsecond();
        let key = SigningKey::load(&Disk::default(), &self.folder.join("key.pk8")).unwrap();
        let signature = key.sign(format!("titer-request-v1\nPOST {path}\n{counter}\n{body}").as_bytes());
        let request = client.post(service.join(&path).unwrap()).body(body);
        let request = request.header("titer-counter", counter).header("titer-signature", hex::encode(signature));
        request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec()
    }

    /// Gives this terminal the present address of a service that was started again.
    pub(crate) fn moves_to(&self, world: &World) {
        self.asks(&world.url);
    }

    /// Has every later check-in of this terminal answered with an assignment of `channels`, by whoever stole the director's key.
    pub(crate) async fn is_told(&self, world: &World, channels: &[ChannelRelease]) {
        self.is_answered(&world.url, EvilDirector::of(world).assigns(channels)).await;
    }

    /// Has every later check-in of this terminal answered with this, made of its number and the check-in's counter; everything else is
    /// passed on to `real`.
    pub(crate) async fn is_answered(&self, real: &Url, answer: impl Fn(&str, u64) -> Value + Clone + Send + Sync + 'static) {
        self.asks(&evil_service(real.clone(), answer).await);
    }

    /// Has this terminal take the service at another address for its own.
    pub(crate) fn asks(&self, service: &Url) {
        let identity = self.folder.join("identity.json");
        let mut json: Value = serde_json::from_slice(&fs::read(&identity).unwrap()).unwrap();
        json["service"] = service.to_string().into();
        fs::write(&identity, json.to_string()).unwrap();
    }

    /// Channels and releases in force, after a check that the generation is whole and is linked from them.
    pub(crate) fn runs(&self) -> Vec<ChannelRelease> {
        let Some(database) = installed_database(&self.folder).unwrap() else { return Vec::new() };
        let manifest = fs::read(database.with_file_name("manifest.json")).unwrap();
        let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        let bytes = fs::read(&database).unwrap();
        assert_eq!(Sha256Hex::of(&bytes), manifest.database_sha256);
        let linked = manifest.channels.iter().map(|at| at.sha256.to_string()).collect::<Vec<_>>();
        assert_eq!(String::from_utf8(bytes).unwrap().lines().collect::<Vec<_>>(), linked);
        manifest.releases()
    }
}

/// The director's key in the wrong hands.
#[derive(Clone)]
pub(crate) struct EvilDirector(Arc<SigningKey>);

impl EvilDirector {
    pub(crate) fn of(world: &World) -> EvilDirector {
        EvilDirector::of_role(world, "director")
    }

    /// By the key of another role, `targets` for example.
    pub(crate) fn of_role(world: &World, role: &str) -> EvilDirector {
        let key = world.dir.path().join(format!("service/keys/{role}.pk8"));
        EvilDirector(Arc::new(SigningKey::load(&Disk::default(), &key).unwrap()))
    }

    /// By a key that root knows nothing of.
    pub(crate) fn stranger(world: &World) -> EvilDirector {
        let key = SigningKey::load_or_create(&Disk::default(), &world.dir.path().join("stranger.pk8")).unwrap();
        EvilDirector(Arc::new(key))
    }

    /// Answers with an assignment of `channels`.
    pub(crate) fn assigns(&self, channels: &[ChannelRelease]) -> impl Fn(&str, u64) -> Value + Clone + Send + Sync + use<> {
        let (evil, channels) = (self.clone(), channels.to_vec());
        move |terminal, counter| {
            evil.answer(&EvilDirector::assignment(&channels, counter), &EvilDirector::membership(terminal, counter))
        }
    }

    pub(crate) fn assignment(channels: &[ChannelRelease], number: u64) -> Value {
        json!({
            "cohort": "evil", "number": number, "signed_at": 0, "expires": in_an_hour(), "root": 1, "channels": channels,
            "reason": "switch", "words": "believe me", "blobs": [],
        })
    }

    pub(crate) fn membership(terminal: &str, counter: u64) -> Value {
        json!({
            "terminal": terminal, "cohort": "evil", "number": 0, "counter": counter, "freshness": "f", "expires": in_an_hour(),
        })
    }

    pub(crate) fn answer(&self, assignment: &Value, membership: &Value) -> Value {
        let assignment = self.signed("assignment", assignment);
        json!({"assignment": assignment, "membership": self.signed("membership", membership)})
    }

    pub(crate) fn signed(&self, kind: &str, payload: &Value) -> Value {
        let payload = payload.to_string();
        let signature = self.0.sign(format!("titer-{kind}-v1\n{payload}").as_bytes());
        json!({"payload": payload, "signatures": [{"key": self.0.public(), "signature": hex::encode(signature)}]})
    }
}

pub(crate) fn in_an_hour() -> i64 {
    jiff::Timestamp::now().as_second() + 3600
}

/// Answers check-ins as it likes and passes everything else to the real service.
async fn evil_service(real: Url, answer: impl Fn(&str, u64) -> Value + Clone + Send + Sync + 'static) -> Url {
    async fn pass(State(real): State<Url>, method: Method, uri: Uri, body: Bytes) -> (StatusCode, Vec<u8>) {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let answer = client.request(method, real.join(uri.path()).unwrap()).body(body).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    }
    let told = move |UrlPath(terminal): UrlPath<String>, headers: HeaderMap| async move {
        let counter = headers["titer-counter"].to_str().unwrap().parse().unwrap();
        answer(&terminal, counter).to_string()
    };
    let router = Router::new().route("/v1/terminals/{terminal}/check-in", post(told)).fallback(pass).with_state(real);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// A blob of body signatures with the given numbers, each 24 pseudo-random bytes that depend on the number alone.
pub(crate) fn blob(channel: &str, release: u64, signatures: std::ops::Range<u32>) -> Vec<u8> {
    let mut text = String::new();
    for number in signatures {
        let digest = Sha256Hex::of(&number.to_le_bytes()).to_string();
        writeln!(text, "Test.Made-{number}:0:*:{}", &digest[..48]).unwrap();
    }
    blob_of(channel, release, &text)
}

/// The same of these lines of an `.ndb` file.
pub(crate) fn blob_of(channel: &str, release: u64, text: &str) -> Vec<u8> {
    let mut compiler = Compiler::new();
    compiler.add_text("test.ndb", SourceKind::Ndb, text.as_bytes());
    let compiled = compiler.finish();
    assert!(compiled.diagnostics.is_empty());
    let engine = EngineRange { min: 1, max: 1 };
    let meta = Meta { channel: channel.parse().unwrap(), release, created: 1_700_000_000, engine };
    blob::encode(&meta, &compiled.records).unwrap()
}
