// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersSocket
import Testing

/// The real source of socket waits over sockets in memory, on a loop that the test moves on.
struct SimulatedSocketTests {
    private final class Trial {
        let loop = SteppedLoop()
        let sockets: SimulatedSockets
        private(set) var source: SocketSource!  // because it reports to this object, which must be there before it
        private(set) var reports: [SourceReport] = []

        init(options: SocketSource.Options = .init()) {
            sockets = SimulatedSockets(loop: loop)
            source = SocketSource(loop: loop, options: options, transport: sockets) { [unowned self] in
                reports.append($0)
            }
        }

        var fired: [Int64] { reports.compactMap { if case .fired(let waitID, _) = $0 { waitID } else { nil } } }
        func gauge(_ name: String) -> Int { source.gauges.first { $0.name == name }?.value ?? -1 }

        func add(_ waits: [(Int64, SocketTrigger)]) throws {
            source.add(
                try waits.map { waitID, trigger in
                    let spec = try TriggerSpec(trigger)
                    return ArmedWait(
                        waitID: waitID, kind: spec.kind, target: spec.target, definition: spec.definition,
                        since: Timestamp(microseconds: 0))
                })
        }

        func end() {
            source.shutDown()
            #expect(loop.timerCount == 0)
        }
    }

    private let database = SocketAddress.port(host: "db", number: 5_432)

    @Test("A port that refuses is asked at its period for as long as it takes, and explained")
    func refusals() throws {
        let trial = Trial()
        try trial.add([(1, .port("db", 5_432))])
        trial.loop.pass(.seconds(405))
        let asked = trial.sockets.tried.count
        #expect((13...15).contains(asked))
        for (earlier, later) in zip(trial.sockets.tried, trial.sockets.tried.dropFirst()) {
            #expect((26_900_000...33_100_000).contains(later.at - earlier.at))
        }
        let explanation = try #require(trial.source.explain(1))
        #expect(explanation.sentences[0] == "Connects to db:5432 every 30s until it accepts connections.")
        #expect(explanation.sentences[1].hasPrefix("Asked \(asked) times, the last time at "))
        #expect(explanation.sentences[1].hasSuffix(": connection refused by db:5432."))
        #expect(explanation.sentences[2].hasPrefix("The next time is "))
        trial.sockets.set(database, .accepted(by: "10.0.0.1:5432"))
        trial.loop.pass(.seconds(34))
        #expect(trial.fired == [1])
        #expect(trial.gauge("socket_probes") == 0)
        trial.end()
    }

    @Test("Ten thousand waits for one port share its probe, at the shortest period, and fire together")
    func sharing() throws {
        let trial = Trial()
        try trial.add((0..<10_000 as Range<Int64>).map { ($0, .port("db", 5_432, every: .seconds(10 + Int($0)))) })
        trial.loop.pass(.seconds(100))
        #expect((9...12).contains(trial.sockets.tried.count))
        #expect(trial.source.explain(7)?.sharing == 10_000)
        // With the hastiest ones the haste goes.
        for id in 0..<9_000 as Range<Int64> { trial.source.remove(id) }
        let before = trial.sockets.tried.count
        trial.loop.pass(.seconds(3_000))
        #expect(trial.sockets.tried.count - before <= 2)
        trial.sockets.set(database, .accepted(by: "10.0.0.1:5432"))
        trial.loop.pass(.seconds(11_000))
        #expect(trial.fired == Array(9_000..<10_000))
        trial.end()
    }

    @Test("What is no answer makes the times further apart and meets neither wait")
    func failures() throws {
        let faults: [SocketOutcome] = [
            .timedOut, .unknownName("no such host"), .noConnection(101), .queueFull, .other(7, "words"),
        ]
        for fault in faults {
            let trial = Trial()
            trial.sockets.set(database, fault)
            try trial.add([(1, .port("db", 5_432)), (2, .port("db", 5_432, until: .closed))])
            trial.loop.pass(.seconds(1_800))
            #expect((7...11).contains(trial.sockets.tried.count), "\(fault)")
            #expect(trial.fired.isEmpty)
            trial.sockets.set(database, .refused(by: "10.0.0.1:5432"))
            trial.loop.pass(.seconds(400))
            #expect(trial.fired == [2])
            let before = trial.sockets.tried.count
            trial.loop.pass(.seconds(300))
            #expect((9...11).contains(trial.sockets.tried.count - before))
            trial.end()
        }
    }

    @Test("Many addresses are not all tried at once, and those that hang hold up no more than their share")
    func limits() throws {
        var options = SocketSource.Options()
        options.inAll = 10
        let trial = Trial(options: options)
        try trial.add((1...1_000 as ClosedRange<Int64>).map { ($0, .port("db", Int($0))) })
        for port in 1...5 { trial.sockets.set(.port(host: "db", number: port), .timedOut) }
        trial.loop.pass(.milliseconds(50))
        #expect(trial.gauge("socket_attempts") <= 10)
        trial.loop.pass(.seconds(2))
        #expect(trial.sockets.tried.count == 1_000)
        #expect(trial.gauge("socket_attempts") == 5)
        for id in 1...1_000 as ClosedRange<Int64> { trial.source.remove(id) }
        #expect(trial.gauge("socket_attempts") == 0)
        #expect(trial.gauge("socket_probes") == 0)
        trial.loop.pass(.seconds(100))
        #expect(trial.sockets.tried.count == 1_000)
        trial.end()
    }

    @Test("A probe out of turn is made at once and answers after the report; a wait that joins hastens the next one")
    func outOfTurn() throws {
        let trial = Trial()
        try trial.add([(1, .port("db", 5_432, every: .hours(1)))])
        trial.loop.pass(.seconds(1))
        #expect(trial.sockets.tried.count == 1)
        try trial.add([(2, .port("db", 5_432, until: .closed, every: .seconds(10)))])
        trial.sockets.set(database, .accepted(by: "10.0.0.1:5432"))
        var firedByThen: [Int64]?
        trial.source.probeNow(1) { firedByThen = trial.fired }
        trial.loop.pass(.seconds(1))
        #expect(firedByThen == [1])
        #expect(trial.sockets.tried.count == 2)
        trial.loop.pass(.seconds(11))
        #expect(trial.sockets.tried.count == 3)
        trial.end()
    }
}
