// scylla-rust: b PORT WORKLOAD OPS CONCURRENCY
use futures::StreamExt;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::PoolSize;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Instant;

const SELECT_ONE: &str = "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?";
const INSERT_ONE: &str =
    "INSERT INTO bench.kv(id,name,email,age,score,created) VALUES (?,?,?,?,?,?)";
const SELECT_PAGE: &str = "SELECT pk,ck,a,b,c FROM bench.wide WHERE pk=?";

fn cpu_us_and_rss() -> (f64, i64) {
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        let seconds = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) as f64;
        let micros = (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) as f64;
        (seconds * 1e6 + micros, usage.ru_maxrss)
    }
}

async fn pages(session: &Session, rows: usize) {
    let mut select = session.prepare(SELECT_PAGE).await.unwrap();
    select.set_page_size(5000);
    let mut seen = 0;
    while seen < rows {
        let pager = session.execute_iter(select.clone(), (1i32,)).await.unwrap();
        let mut stream = pager.rows_stream::<(i32, i32, String, i64, f64)>().unwrap();
        while let Some(row) = stream.next().await {
            row.unwrap();
            seen += 1;
        }
    }
}

async fn read(session: &Session, select: &PreparedStatement, key: i32) {
    let result = session.execute_unpaged(select, (key,)).await.unwrap();
    let rows = result.into_rows_result().unwrap();
    rows.first_row::<(i32, String, String, i32, f64, CqlTimestamp)>()
        .unwrap();
}

async fn write(session: &Session, insert: &PreparedStatement, key: i32) {
    let name = format!("user-{:08}", key);
    let email = format!("user{}@example.com", key);
    let created = CqlTimestamp(1704067200000);
    let values = (key, name, email, key % 90, key as f64 * 1.5, created);
    session.execute_unpaged(insert, values).await.unwrap();
}

async fn concurrently(session: &Arc<Session>, is_read: bool, ops: usize, concurrency: usize) {
    let text = if is_read { SELECT_ONE } else { INSERT_ONE };
    let statement = Arc::new(session.prepare(text).await.unwrap());
    let counter = Arc::new(AtomicUsize::new(0));
    let mut workers = vec![];
    for _ in 0..concurrency {
        let (session, statement, counter) = (session.clone(), statement.clone(), counter.clone());
        workers.push(tokio::spawn(async move {
            loop {
                let i = counter.fetch_add(1, Ordering::Relaxed);
                if i >= ops {
                    break;
                }
                let key = (i % 1000) as i32;
                if is_read {
                    read(&session, &statement, key).await;
                } else {
                    write(&session, &statement, key).await;
                }
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
}

async fn run(session: &Arc<Session>, workload: &str, ops: usize, concurrency: usize) {
    if workload == "page" {
        pages(session, ops).await;
    } else {
        concurrently(session, workload == "read", ops, concurrency).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (port, workload) = (&args[1], args[2].as_str());
    let ops: usize = args[3].parse().unwrap();
    let concurrency: usize = args[4].parse().unwrap();
    let one = NonZeroUsize::new(1).unwrap();
    let builder = SessionBuilder::new()
        .known_node(format!("127.0.0.1:{}", port))
        .pool_size(PoolSize::PerHost(one));
    let session = Arc::new(builder.build().await.unwrap());
    let warm_up = if workload == "page" { 100000 } else { 2000 };
    run(&session, workload, warm_up, concurrency).await;
    let (cpu_start, _) = cpu_us_and_rss();
    let start = Instant::now();
    run(&session, workload, ops, concurrency).await;
    let (cpu, rss) = cpu_us_and_rss();
    println!(
        "{{\"peer\":\"scylla-rust\",\"wl\":\"{}\",\"ops\":{},\"ops_s\":{:.0},\"cpu_us\":{:.2},\"rss_mb\":{}}}",
        workload,
        ops,
        ops as f64 / start.elapsed().as_secs_f64(),
        (cpu - cpu_start) / ops as f64,
        rss / 1024
    );
}
