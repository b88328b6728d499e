// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Backfills", .onEveryGround)
struct BackfillTests {
    private func stage(_ change: (inout DAGDefinition) -> Void = { _ in }) async throws -> Stage {
        let stage = try await Stage()
        var dag = DAGDefinition(
            dagID: "d", schedule: .cron(expression: "0 6 * * *", timeZone: "Europe/Paris"), tasks: [.code("t")])
        change(&dag)
        try await stage.deploy(dag)
        return stage
    }

    /// The five mornings from Christmas Eve to the 28th.
    private func request(_ change: (inout BackfillRequest) -> Void = { _ in }) throws -> BackfillRequest {
        var request = BackfillRequest(
            dagID: "d", from: try Timestamp(parsing: "2025-12-24T00:00:00Z"),
            to: try Timestamp(parsing: "2025-12-28T05:00:00Z"))
        change(&request)
        return request
    }

    private func begin(_ stage: Stage, _ request: BackfillRequest) async throws -> Int64 {
        let id = try await stage.store.write { try $0.createBackfill(request, by: "anna") }.backfillID
        try await stage.advance()
        return id
    }

    private func row(_ stage: Stage, _ id: Int64) async throws -> BackfillRow {
        try #require(try await stage.store.read { try $0.backfill(id) })
    }

    private func days(_ stage: Stage) async throws -> [String] {
        try await stage.store.read { try $0.runs(dagID: "d", state: nil, limit: 100) }.reversed().map {
            String($0.logicalDate.description.prefix(10).suffix(2))
        }
    }

    @Test("Each date of the schedule gets its run with its data interval, so many at a time, and then it is completed")
    func whole() async throws {
        let stage = try await stage()
        let id = try await begin(stage, request { $0.maxActiveRuns = 2 })
        for finished in 0..<5 {
            let state = try await row(stage, id)
            #expect(state.state == .running && state.unfinished == min(2, 5 - finished) && state.done == finished)
            let task = try #require(try await stage.claim(1).first)
            try await stage.succeed(task)
            try await stage.advance()
        }
        let ended = try await row(stage, id)
        #expect(ended.state == .completed && ended.created == 5 && ended.dates == 5 && ended.done == 5)
        #expect(try await days(stage) == ["24", "25", "26", "27", "28"])
        let run = try await stage.store.read { try $0.runs(dagID: "d", state: nil, limit: 1)[0] }
        #expect(run.runID == "backfill__2025-12-28T05:00:00Z" && run.type == .backfill)
        #expect(run.dataIntervalStart.description == "2025-12-27T05:00:00Z")
        #expect(try await stage.faults() == [])
    }

    @Test("In reverse it begins with the last date")
    func reverse() async throws {
        let stage = try await stage()
        _ = try await begin(stage, request { $0.isReverse = true })
        #expect(try await days(stage) == ["28", "27", "26", "25", "24"])
    }

    @Test(
        "What has a run already is left alone, or runs again if it failed, or in any case once it has ended",
        arguments: [
            (BackfillReprocess.none, 0, "000"), (.failed, 1, "010"), (.completed, 2, "110"),
        ])
    func reprocess(reprocess: BackfillReprocess, cleared: Int, runsAgain: String) async throws {
        let stage = try await stage()
        // The 24th succeeded, the 25th failed, the 26th is under way.
        for day in 24...26 {
            _ = try await stage.store.write { transaction in
                var request = RunRequest(dagID: "d", type: .scheduled)
                request.logicalDate = try Timestamp(parsing: "2025-12-\(day)T05:00:00Z")
                return try transaction.createRun(request)
            }
            try await stage.advance()
            let task = try #require(try await stage.claim(1).first)
            if day == 24 { try await stage.succeed(task) }
            if day == 25 { try await stage.finish(task, .failure(message: "no", retryable: false)) }
        }
        let plan = try await stage.store.read { [request = try request { $0.reprocess = reprocess }] in
            try $0.plan(request)
        }
        #expect(plan.map { $0.action == .clear ? "1" : "0" }.joined().hasPrefix(runsAgain))
        let id = try await begin(stage, request { $0.reprocess = reprocess })
        let state = try await row(stage, id)
        #expect(state.cleared == cleared && state.created == 2 && state.skipped == 3 - cleared)
        for task in try await stage.claim() { try await stage.succeed(task) }
        try await stage.advance()
        #expect(try await row(stage, id).state == .completed)
        #expect(try await stage.faults() == [])
    }

    @Test("Its runs do not count among those of the DAG, which go on beside them")
    func beside() async throws {
        let stage = try await stage { $0.maxActiveRuns = 1 }
        _ = try await begin(stage, request())
        let run = try await stage.trigger("d")
        #expect(try await stage.state(run) == .running)
        let active = try await stage.store.read { try $0.activeRuns(dagID: "d") }
        #expect(active == 1)
        #expect(try await stage.claim().count == 6)
    }

    @Test("The tick of a date that a backfill has filled creates no second run")
    func oneRunADate() async throws {
        let stage = try await stage()
        _ = try await begin(stage, request())
        var tick = RunRequest(dagID: "d", type: .scheduled)
        tick.logicalDate = try Timestamp(parsing: "2025-12-24T05:00:00Z")
        let request = tick
        await #expect(throws: PerchError.self) {
            _ = try await stage.store.write { try $0.createRun(request) }
        }
    }

    @Test("Paused it creates nothing more; cancelled it is over when what runs has ended; both are refused afterwards")
    func steering() async throws {
        let stage = try await stage()
        let id = try await begin(stage, request { $0.maxActiveRuns = 1 })
        _ = try await stage.store.write { try $0.setBackfillPaused(id, true) }
        try await stage.succeed(try #require(try await stage.claim().first))
        try await stage.advance()
        #expect(try await row(stage, id).state == .paused)
        #expect(try await days(stage) == ["24"])
        _ = try await stage.store.write { try $0.setBackfillPaused(id, false) }
        try await stage.advance()
        #expect(try await days(stage) == ["24", "25"])
        let again = try request()
        await #expect(throws: PerchError.self) {
            _ = try await stage.store.write { try $0.createBackfill(again, by: "bert") }
        }
        let cancelled = try await stage.store.write { try $0.cancelBackfill(id, by: "bert") }
        #expect(cancelled.state == .cancelling)
        try await stage.advance()
        try await stage.succeed(try #require(try await stage.claim().first))
        try await stage.advance()
        let ended = try await row(stage, id)
        #expect(ended.state == .cancelled && ended.cancelledBy == "bert" && ended.created == 2)
        await #expect(throws: PerchError.self) {
            _ = try await stage.store.write { try $0.cancelBackfill(id, by: "b") }
        }
        await #expect(throws: PerchError.self) {
            _ = try await stage.store.write { try $0.setBackfillPaused(id, true) }
        }
        _ = try await begin(stage, request())
        #expect(try await stage.faults() == [])
    }

    @Test("A paused DAG holds it")
    func pausedDAG() async throws {
        let stage = try await stage()
        try await stage.store.write { try $0.setPaused("d", true) }
        let id = try await begin(stage, request())
        #expect(try await days(stage).isEmpty)
        try await stage.store.write { try $0.setPaused("d", false) }
        try await stage.advance()
        #expect(try await row(stage, id).unfinished == 5)
    }

    @Test("What cannot be filled is said, and nothing is stored")
    func wrong() async throws {
        let stage = try await stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", schedule: .cron(expression: "* * * * *", timeZone: "UTC"), tasks: [.code("t")]),
            DAGDefinition(dagID: "byhand", tasks: [.code("t")]))
        let wrong: [(String, (inout BackfillRequest) -> Void)] = [
            ("no DAG 'e'", { $0.dagID = "e" }),
            ("not created by time", { $0.dagID = "byhand" }),
            ("after its end", { swap(&$0.from, &$0.to) }),
            ("still to come", { $0.to = $0.to + TimeSpan(.days(30)) }),
            (
                "no date from",
                {
                    $0.from = $0.to + TimeSpan(microseconds: 1); $0.to = $0.from
                }
            ),
            ("more than 100000 dates", { $0.from = $0.from + TimeSpan(.days(-400)) }),
            ("1 at least", { $0.maxActiveRuns = 0 }),
            ("JSON object", { $0.params = [1] }),
        ]
        for (words, change) in wrong {
            let request = try request(change)
            let error = await #expect(throws: PerchError.self) {
                _ = try await stage.store.write { try $0.createBackfill(request, by: "anna") }
            }
            #expect(error?.message.contains(words) == true, "\(words): \(error?.message ?? "")")
        }
        let stored = try await stage.store.read { try $0.backfills(limit: 10) }
        #expect(stored.isEmpty)
    }

    @Test("The dates of a timetable in code are asked for, as far as they are wanted, and then filled")
    func timetable() async throws {
        let stage = try await stage { $0.schedule = .timetable("told") }
        let (from, to) = (try request().from, try request().to)
        func ask() async throws -> Bool {
            try await stage.store.write { try $0.wantTicks(of: "d", from: from, to: to) }
        }
        #expect(try await !ask())
        var rounds = 0
        while let want = try await stage.store.read({ try $0.tickWants(bundle: "default") }).first {
            rounds += 1
            try #require(rounds < 20)
            let midnight = Int64(86_400_000_000)
            let next = Timestamp(microseconds: (want.after.microseconds / midnight + 1) * midnight)
            let tick = TimetableTick(at: next, intervalStart: next + .seconds(-3_600), intervalEnd: next)
            try await stage.store.write {
                try $0.storeTicks(of: "d", after: want.after, [tick], isLast: false, problem: nil)
                // Twice is once.
                try $0.storeTicks(of: "d", after: want.after, [], isLast: true, problem: nil)
            }
        }
        #expect(try await ask())
        let id = try await begin(stage, request())
        #expect(try await row(stage, id).dates == 5)
        let runs = try await stage.store.read { try $0.runs(dagID: "d", state: nil, limit: 100) }
        #expect(runs.allSatisfy { $0.dataIntervalStart + .seconds(3_600) == $0.logicalDate } && !runs.isEmpty)
        #expect(try await stage.faults() == [])

        // Another version of the code: the past stays, the time to come is forgotten.
        try await stage.store.write { store in
            try store.wantTicks(of: "d", after: store.now)
            try store.storeTicks(of: "d", after: store.now, [], isLast: false, problem: "no calendar")
        }
        #expect(try await stage.store.read { try $0.tickProblem(of: "d") } == "no calendar")
        let definition = try await stage.store.read {
            try $0.definition(ofVersion: try #require(try $0.dag("d")).versionID)
        }
        try await stage.store.write { try $0.storeDAGs([definition], bundle: "default", bundleVersion: "2") }
        #expect(try await stage.store.read { try $0.tickProblem(of: "d") } == nil)
        #expect(try await ask())
    }
}
