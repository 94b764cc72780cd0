//! Whole networks: hosts with programs of their own, links between them, and what goes wrong there.

mod repeating;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::AsyncReadExt;
use switchboard::engine::Listen;
use switchboard::net::{Listener, Stream, UdpSocket};
use switchboard::server::{Client, Server};
use switchboard::sim::{Faults, Link, Sim, Why};
use switchboard::{sleep, spawn};

/// Serves what each client says, until told to end.
async fn echo() -> io::Result<()> {
    let server = Server::bind("0.0.0.0:7").await?.grace(Duration::from_secs(2));
    server.serve(converse).await?;
    Ok(())
}

async fn converse(mut stream: Stream, _: Client) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}

/// Says something and hears it.
async fn say(what: &[u8]) -> io::Result<()> {
    let mut stream = Stream::connect("server:7").await?;
    stream.write_all(what).await?;
    let mut answer = vec![0; what.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, what);
    Ok(())
}

/// A network on which nothing goes wrong but what a test asks for.
fn sim(seed: u64) -> Sim {
    Sim::new(seed).faults(Faults::none())
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_conversation_takes_as_long_as_its_packets_cross() {
    let far = Link::default().latency(50 * MILLISECOND);
    let report = sim(1).host("server", echo).host("client", || say(b"hello")).link(far).run().unwrap();
    // Knock, answer; words, their echo; and the end, which the server has to hear before it is told to end.
    assert!(report.elapsed >= 250 * MILLISECOND && report.elapsed < 400 * MILLISECOND, "{report:?}");
    assert_eq!(report.failures, []);
}

#[test]
fn more_than_all_buffers_hold_arrives_in_order() {
    let words: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    let link = Link::default().latency(MILLISECOND).jitter(9 * MILLISECOND).loss(0.05);
    let client = move || {
        let words = words.clone();
        async move {
            let stream = Stream::connect("server:7").await?;
            let (mut reader, mut writer) = stream.into_split();
            let sent = words.clone();
            let sending = spawn(async move {
                writer.write_all(&sent).await?;
                writer.shutdown().await
            });
            let mut heard = Vec::new();
            reader.read_to_end(&mut heard).await?;
            sending.await?;
            assert!(heard == words);
            io::Result::Ok(())
        }
    };
    for seed in 0..20 {
        sim(seed).host("server", echo).host("client", client.clone()).link(link).run().unwrap();
    }
}

#[test]
fn bandwidth_is_shared_and_not_exceeded() {
    let link = Link::default().bandwidth(1_000_000);
    let pour = || async {
        let mut stream = Stream::connect("server:9").await?;
        stream.write_all(&[0; 500_000]).await?;
        stream.shutdown().await
    };
    let discard = || async {
        let server = Server::bind("0.0.0.0:9").await?;
        server
            .serve(async |mut stream: Stream, _| {
                while !stream.recv().await?.is_empty() {}
                io::Result::Ok(())
            })
            .await
            .map(drop)
    };
    let report = sim(1).host("server", discard).host("one", pour).link(link).run().unwrap();
    assert!(report.elapsed > 500 * MILLISECOND && report.elapsed < 600 * MILLISECOND, "{report:?}");
}

#[test]
fn a_partition_stops_a_conversation_and_healing_lets_it_go_on() {
    let report = sim(3)
        .host("server", echo)
        .host("client", || async {
            for _ in 0..10 {
                say(b"are you there?").await?;
                sleep(Duration::from_secs(1)).await;
            }
            io::Result::Ok(())
        })
        .at(Duration::from_millis(2_500), |sim| sim.partition("client", "server"))
        .at(Duration::from_secs(60), |sim| sim.heal("client", "server"))
        .run()
        .unwrap();
    assert!(
        report.elapsed > Duration::from_secs(66) && report.elapsed < Duration::from_secs(140),
        "{report:?}"
    );
}

#[test]
fn connecting_across_a_partition_is_given_up_after_two_minutes() {
    let mut sim = sim(1).host("server", echo).host("client", || async {
        let error = Stream::connect("server:7").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    });
    sim.partition("client", "server");
    let report = sim.run().unwrap();
    assert!(
        report.elapsed >= Duration::from_secs(60) && report.elapsed < Duration::from_secs(130),
        "{report:?}"
    );
}

#[test]
fn who_waits_before_a_full_listener_gives_up_after_two_minutes() {
    let report = sim(1)
        .host("server", || async {
            let _deaf = Listener::open(Listen { backlog: 0, ..Listen::at("0.0.0.0:7".parse().unwrap()) })?;
            sleep(Duration::from_secs(600)).await;
            io::Result::Ok(())
        })
        .host("client", || async {
            let mut first = Vec::new();
            let error = loop {
                match Stream::connect("server:7").await {
                    Ok(stream) => first.push(stream),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        })
        .run()
        .unwrap();
    assert!(report.elapsed >= Duration::from_secs(127), "{report:?}");
}

#[test]
#[should_panic = "there is a host \"Server\" already"]
fn two_hosts_have_two_names() {
    drop(sim(1).host("server", echo).host("Server", echo));
}

#[test]
fn what_nobody_acknowledges_is_given_up_after_a_quarter_of_an_hour() {
    let sim = sim(1).host("server", echo).host("client", || async {
        let mut stream = Stream::connect("server:7").await?;
        sleep(Duration::from_secs(1)).await;
        stream.write_all(b"hello?").await?;
        let error = stream.recv().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        io::Result::Ok(())
    });
    let report = sim.at(MILLISECOND * 500, |sim| sim.partition("client", "server")).run().unwrap();
    assert!(report.elapsed > Duration::from_secs(900), "{report:?}");
}

#[test]
fn who_talks_to_a_host_that_crashed_and_came_back_is_reset() {
    let sim = sim(1).host("server", echo).host("client", || async {
        let mut stream = Stream::connect("server:7").await?;
        stream.write_all(b"before").await?;
        assert_eq!(&*stream.recv().await?, b"before");
        sleep(Duration::from_secs(5)).await;
        stream.write_all(b"after").await?;
        let error = stream.recv().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        say(b"and anew").await
    });
    let sim = sim.at(Duration::from_secs(1), |sim| sim.crash("server"));
    sim.at(Duration::from_secs(2), |sim| sim.restart("server")).run().unwrap();
}

#[test]
fn nobody_hears_of_a_crash_until_they_say_something() {
    let sim = sim(1).host("server", echo).host("client", || async {
        let mut stream = Stream::connect("server:7").await?;
        let heard = switchboard::timeout(Duration::from_secs(3_000), stream.recv()).await;
        assert!(heard.is_err(), "{heard:?}");
        io::Result::Ok(())
    });
    sim.at(Duration::from_secs(1), |sim| sim.crash("server")).run().unwrap();
}

#[test]
fn a_host_is_only_reached_by_its_own_address() {
    sim(1)
        .host("server", || async {
            let error = Listener::bind("10.0.0.2:80").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
            let _local = Listener::bind("127.0.0.1:80").await?;
            let public = Listener::bind("10.0.0.1:81").await?;
            let (_, peer) = public.accept().await?;
            assert_eq!(peer.to_string().split(':').next(), Some("10.0.0.2"));
            io::Result::Ok(())
        })
        .host("client", || async {
            let error = Stream::connect("server:80").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            let error = Stream::connect("10.1.2.3:80").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
            Stream::connect("10.0.0.1:81").await.map(drop)
        })
        .run()
        .unwrap();
}

#[test]
fn datagrams_are_lost_and_overtake_each_other_as_the_link_says() {
    let heard = |link: Link| {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let hears = Rc::clone(&heard);
        let mut sim = sim(5)
            .host("receiver", move || {
                let hears = Rc::clone(&hears);
                async move {
                    let socket = UdpSocket::bind("0.0.0.0:9").await?;
                    while let Ok(packet) =
                        switchboard::timeout(Duration::from_secs(5), socket.recv_from(2)).await
                    {
                        hears.borrow_mut().push(packet?.data[0]);
                    }
                    io::Result::Ok(())
                }
            })
            .host("sender", || async {
                let socket = UdpSocket::bind("0.0.0.0:0").await?;
                sleep(MILLISECOND).await;
                for number in 0..200_u8 {
                    socket.send_to(&[number], "10.0.0.1:9").await?;
                    sleep(MILLISECOND).await;
                }
                io::Result::Ok(())
            })
            .link(link);
        sim.run().unwrap();
        drop(sim);
        heard.take()
    };
    let link = Link::default().latency(10 * MILLISECOND).jitter(20 * MILLISECOND);
    let (all, lossy, reordered) = (heard(link), heard(link.loss(0.2)), heard(link.reordering(0.2)));
    assert!(all.len() == 200 && all.is_sorted());
    assert!((130..190).contains(&lossy.len()) && lossy.is_sorted(), "{}", lossy.len());
    assert!(reordered.len() == 200 && !reordered.is_sorted());
}

#[test]
fn a_program_that_fails_is_the_failure_of_the_simulation() {
    let failed = sim(9).host("a", || async { Err::<(), _>(io::Error::other("no luck")) }).run().unwrap_err();
    assert_eq!(failed.to_string(), "seed 9, after 0.000000 s: a failed: no luck");
    let failed = sim(9).host("b", || async { panic!("on purpose") }).run().unwrap_err();
    assert!(matches!(failed.why, Why::Panicked(message) if message == "on purpose"));
}

#[test]
fn a_server_and_its_client_may_be_on_one_host() {
    let report = sim(1)
        .host("server", || async {
            let server = spawn(echo());
            sleep(MILLISECOND).await;
            for _ in 0..100 {
                say(b"to myself").await?;
                sleep(Duration::from_secs(1)).await;
            }
            drop(server);
            io::Result::Ok(())
        })
        .run()
        .unwrap();
    assert!(report.elapsed > Duration::from_secs(100));
}

#[test]
fn a_server_that_is_alone_is_told_to_end() {
    let report = sim(1).host("server", echo).run().unwrap();
    assert!(report.elapsed < Duration::from_secs(5), "{report:?}");
}

#[test]
fn what_never_ends_is_told() {
    let failed = sim(1).host("a", || async { std::future::pending::<()>().await }).run().unwrap_err();
    assert!(matches!(failed.why, Why::Deadlock(_)), "{failed}");
    let sleeper = || async {
        loop {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let failed = sim(1).host::<_>("a", sleeper).run().unwrap_err();
    assert!(matches!(failed.why, Why::TooLong(_)) && failed.at > Duration::from_secs(3_600), "{failed}");
}

#[test]
fn a_simulation_is_run_by_steps_and_by_time() {
    let count = Rc::new(Cell::new(0));
    let counts = Rc::clone(&count);
    let mut sim = sim(1).host("a", move || {
        let counts = Rc::clone(&counts);
        async move {
            for _ in 0..100 {
                sleep(Duration::from_secs(1)).await;
                counts.set(counts.get() + 1);
            }
        }
    });
    sim.advance(Duration::from_millis(10_500)).unwrap();
    assert_eq!((count.get(), sim.age()), (10, Duration::from_millis(10_500)));
    while count.get() < 12 {
        assert!(sim.step().unwrap());
    }
    sim.run().unwrap();
    assert_eq!(count.get(), 100);
}

#[test]
fn a_hang_names_who_waits_on_which_host() {
    let failed = sim(1)
        .host("server", || async {
            let listener = Listener::bind("0.0.0.0:7").await?;
            let (mut stream, _) = listener.accept().await?;
            stream.recv().await.map(drop)
        })
        .host("client", || async {
            let _stream = Stream::connect("server:7").await?;
            std::future::pending::<()>().await;
            io::Result::Ok(())
        })
        .run()
        .unwrap_err();
    let text = failed.to_string();
    assert!(text.contains("server: ") && text.contains("waits to receive from 10.0.0.2:"), "{text}");
    assert!(text.contains("client: ") && text.contains("waits to be woken"), "{text}");
}

#[test]
fn what_is_left_open_by_a_program_is_told() {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let keeps = Rc::clone(&kept);
    let forgetful = move || {
        let keeps = Rc::clone(&keeps);
        async move {
            let open = Listener::bind("0.0.0.0:1").await?;
            keeps.borrow_mut().push(open);
            let _closed = Listener::bind("0.0.0.0:2").await?;
            io::Result::Ok(())
        }
    };
    let report = sim(1).host("a", forgetful).host("b", || async { sleep(MILLISECOND).await }).run().unwrap();
    assert_eq!(report.open, [("a".to_owned(), "a listener on 0.0.0.0:1".to_owned())]);
}

#[test]
fn timers_that_a_program_leaves_behind_do_not_keep_its_host() {
    let report = sim(1)
        .host("a", || async {
            let later = |event_loop: &switchboard::EventLoop| {
                event_loop.later(Duration::from_secs(60), |_| unreachable!("the program is over by then"));
            };
            switchboard::EventLoop::with_current(later).unwrap();
        })
        .run()
        .unwrap();
    assert!(report.elapsed < Duration::from_secs(60), "{report:?}");
}
