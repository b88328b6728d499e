// SPDX-License-Identifier: Apache-2.0

import Foundation
import Perch
import PerchTesting
import ProgramTestSupport
import Testing

@testable import waits

/// Each of the ten workflows on the virtual clock: what it waits for comes, and where it may fail to come, it does too.
@Suite("Ten workflows that wait", .timeLimit(.minutes(5)))
struct WaitsTests {
    @Test("01: a file that is still written to is waited for until it has been left alone for half a minute")
    func stableFile() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/2026-01-01.csv"
        let tester = try DAGTester(dags: waits.stableFile, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("stable_file", params: ["folder": .string(folder.path)])
        for text in ["12\n", "12\n30\n"] {
            try await tester.files.write(path, text)
            // The task's code reads the file itself.
            try Data(text.utf8).write(to: URL(filePath: path))
            try await tester.advance(by: .seconds(20))
            #expect(try await tester.state(of: "landed", in: run) == .deferred)
        }
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "report", as: String.self, in: run) == "2 orders, 42 in all")
    }

    @Test("02: a job is submitted once and asked for until it is done, though the engine dies in between")
    func httpJob() async throws {
        let asked = Asked()
        let answer = #"{"id": "j1", "state": "QUEUED"}"#
        let service = try OneAnswer(
            "HTTP/1.1 201 Created\r\nContent-Length: \(answer.utf8.count)\r\nConnection: close\r\n\r\n\(answer)"
        ) { asked.add($0) }
        let tester = try DAGTester(dags: waits.httpJob)
        let job = service.url("/jobs/j1")
        try await tester.http.respond(to: job, body: #"{"id": "j1", "state": "RUNNING"}"#)
        let run = try await tester.trigger("http_job", params: ["service": .string(service.url(""))])
        try await tester.advance(by: .minutes(10))
        try await tester.crash(powerLoss: true)
        try await tester.http.respond(to: job, body: #"{"id": "j1", "state": "DONE", "rows": 7}"#)
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.output(of: "result", as: Job.self, in: run).rows == 7)
        #expect(asked.texts.map { $0.prefix(10) } == ["POST /jobs"])
    }

    @Test("03: the payment of this order ships it, and three days without it cancel it", arguments: [true, false])
    func payment(isPaid: Bool) async throws {
        let tester = try DAGTester(dags: paymentOrReminder)
        let run = try await tester.trigger("payment", params: ["order": "9"])
        try await tester.advance(by: .days(2))
        try await tester.emit("payment.received", key: isPaid ? "9" : "8")
        try await tester.finish(atMost: .days(2))
        #expect(
            try await tester.output(of: "await_payment", as: String.self, in: run) == (isPaid ? "shipped" : "cancelled")
        )
    }

    @Test("04: a person's answer comes typed, a reminder after a day; after two days it has expired")
    func release() async throws {
        let tester = try DAGTester(dags: waits.release)
        let run = try await tester.trigger("release")
        try await tester.advance(by: .hours(25))
        #expect(try await tester.log(of: "ask", in: run).contains { $0.message == "nobody has answered on day 1" })
        try await tester.answer("ask", in: run, approve: true, values: ["region": "eu"], by: "anna")
        try await tester.settle()
        let plan = try await tester.output(of: "ask", as: Plan?.self, in: run)
        #expect(plan?.region == "eu" && plan?.percent == 10)
        let late = try await tester.trigger("release", runID: "late")
        try await tester.finish(atMost: .days(3))
        #expect(try await tester.task("ask", in: late).message == "the release expired")
    }

    @Test("05: a file, an event or two hours, whatever is first; nothing is left waiting", arguments: 0..<3)
    func firstOfThree(first: Int) async throws {
        let tester = try DAGTester(dags: waits.firstOfThree, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("first_of_three")
        try await tester.advance(by: .minutes(90))
        if first == 0 { try await tester.files.write("/data/in/2026-01-01.csv", "") }
        if first == 1 { try await tester.emit("data.ready", key: "2026-01-01", id: "e7") }
        try await tester.finish(atMost: .hours(1))
        #expect(
            try await tester.output(of: "race", as: String.self, in: run)
                == ["/data/in/2026-01-01.csv", "e7", "nothing came"][first])
        #expect(try await tester.waits().isEmpty)
    }

    @Test("06: two of twenty jobs may fail, and the others are gathered; three are too many")
    func fanOut() async throws {
        let tester = try DAGTester(dags: waits.fanOut)
        let run = try await tester.trigger("fan_out")
        let many = try await tester.trigger("fan_out", runID: "many", params: ["jobs": 8])
        try await tester.finish(atMost: .minutes(30))
        let squares = (0..<20).filter { $0 % 10 != 7 }.map { $0 * $0 }.reduce(0, +)
        #expect(try await tester.output(of: "gather", as: Int.self, in: run) == squares)
        #expect(try await tester.state(of: run) == .success)
        // One of eight is more than a tenth.
        #expect(try await tester.state(of: "gather", in: many) == .upstreamFailed)
        #expect(try await tester.state(of: many) == .failed)
    }

    @Test("07: twelve measurements an hour apart take twelve hours, each is made once")
    func hourly() async throws {
        let tester = try DAGTester(dags: waits.hourly)
        let run = try await tester.trigger("hourly")
        try await tester.advance(by: .hours(5))
        try await tester.crash()
        try await tester.finish(atMost: .hours(8))
        let log = try await tester.log(of: "measure", in: run).map(\.message)
        for hour in 1...12 {
            #expect(log.filter { $0 == "measurement \(hour)" }.count == 1, "hour \(hour): \(log)")
        }
    }

    @Test("08: the day's run waits for both, whichever comes first")
    func afterBoth() async throws {
        let tester = try DAGTester(dags: waits.afterBoth, waits.nightly, at: "2026-01-01T00:00:00Z")
        try await tester.advance(to: "2026-01-01T08:00:00Z")
        let run = try #require(try await tester.runs(of: "after_both").first)
        #expect(try await tester.state(of: "loaded", in: run) == .success)
        #expect(try await tester.state(of: "closed", in: run) == .deferred)
        try await tester.emit("market.closed", key: "2026-01-01")
        try await tester.settle()
        #expect(try await tester.output(of: "settle", as: String.self, in: run) == "settled 2026-01-01")
    }

    @Test("09: missed mornings are caught up with, a locked table is tried again, what was staged is dropped")
    func nightly() async throws {
        let tester = try DAGTester(dags: waits.nightly, at: "2026-01-04T12:00:00Z")
        try await tester.advance(by: .hours(1))
        let runs = try await tester.runs(of: "nightly")
        #expect(runs.count == 4)
        for run in runs {
            #expect(
                try await tester.states(of: run)
                    == ["stage": .success, "load": .success, "drop": .success, "tell": .skipped])
        }
    }

    @Test("10: ten thousand files are waited for at the same time, and the summary comes after the last")
    func manyFiles() async throws {
        let tester = try DAGTester(dags: waits.manyFiles, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("many_files")
        #expect(try await tester.waits().count == 10_000)
        for number in 0..<10_000 { try await tester.files.write("/data/in/2026-01-01/\(number).csv", "") }
        try await tester.finish(atMost: .minutes(5))
        #expect(try await tester.state(of: "summary", in: run) == .success)
    }

    @Test("All ten are a bundle whose declarations have no problem")
    func bundle() {
        #expect(DAG.problems(in: Waits().dags).isEmpty)
    }
}

/// What a server was asked.
private final class Asked: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [String] = []

    var texts: [String] { lock.withLock { all } }
    func add(_ text: String) { lock.withLock { all.append(text) } }
}
