// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("News", .timeLimit(.minutes(1)))
struct NewsTests {
    private func change(_ kind: Change.Kind, _ dagID: String?) -> Change {
        Change(kind: kind, dagID: dagID, facts: ["dag_id": dagID.map { .string($0) } ?? .null])
    }

    @Test("The ring gives what came behind a place, as far as somebody wants it, and says where that is lost")
    func ring() {
        var ring = NewsRing(epoch: "e", most: 3, mostBytes: 10_000)
        #expect(ring.read(from: 0, NewsFilter(), bytes: 100) == .news([], next: 0))
        ring.add(change(.run, "a"))
        ring.add(change(.wait, "b"))
        ring.add(change(.job, nil))
        let first = "id: e-1\nevent: run\ndata: {\"dag_id\":\"a\"}\n\n"
        let second = "id: e-2\nevent: wait\ndata: {\"dag_id\":\"b\"}\n\n"
        let third = "id: e-3\nevent: job\ndata: {\"dag_id\":null}\n\n"
        func text(_ place: Int64, _ filter: NewsFilter = NewsFilter(), bytes: Int = 1_000) -> String? {
            guard case .news(let bytes, _) = ring.read(from: place, filter, bytes: bytes) else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(text(0) == first + second + third && text(2) == third && text(3)?.isEmpty == true)
        #expect(ring.read(from: 0, NewsFilter(), bytes: 1) == .news(Array(first.utf8), next: 1))
        #expect(text(0, NewsFilter(kinds: [.wait])) == second)
        #expect(text(0, NewsFilter(dagID: "a")) == first + third)
        #expect(text(0, NewsFilter(kinds: [.wait], dagID: "a"))?.isEmpty == true)
        ring.add(change(.run, "c"))
        #expect(ring.read(from: 0, NewsFilter(), bytes: 100) == .lost(next: 4))
        #expect(text(1)?.hasPrefix(second) == true)
        for (id, place) in [
            ("e-4", 4), ("e-0", 0), ("e-5", nil), ("f-1", nil), ("e", nil), ("e-1-1", nil), ("e--1", nil), ("", nil),
            ("e-99999999999999999999", nil),
        ] as [(String, Int64?)] {
            #expect(ring.place(id) == place, "\(id)")
        }
        for _ in 0..<10_000 { ring.add(change(.run, "c")) }
        #expect(ring.next == 10_004 && text(10_003)?.contains("e-10004") == true && text(10_000) == nil)
    }

    @Test("The ring holds no more bytes than it may, whatever the size of what comes")
    func bytes() {
        var ring = NewsRing(epoch: "e", most: 100, mostBytes: 1_000)
        for _ in 0..<50 { ring.add(change(.run, String(repeating: "x", count: 300))) }
        #expect(ring.read(from: 49, NewsFilter(), bytes: 1) != .lost(next: 50))
        #expect(ring.read(from: 46, NewsFilter(), bytes: 1) == .lost(next: 50))
        ring.add(change(.run, String(repeating: "x", count: 3_000)))
        #expect(ring.read(from: 50, NewsFilter(), bytes: 1) == .lost(next: 51))
    }

    @Test("The metastore is looked at soon after a doorbell, else each second, and never while nobody listens")
    func pace() {
        var pace = NewsPace()
        #expect(!pace.ring() && pace.next(at: 0) == .rest)
        pace.join()
        #expect(pace.next(at: 1_000) == .look)
        #expect(pace.next(at: 2_000) == .rest)
        pace.looked(at: 3_000)
        #expect(pace.next(at: 3_000) == .wait(until: 1_003_000))
        #expect(pace.ring() && pace.next(at: 4_000) == .wait(until: 103_000))
        #expect(pace.next(at: 103_000) == .look)
        // What rings meanwhile is looked at afterwards.
        #expect(pace.ring() && pace.next(at: 150_000) == .rest)
        pace.looked(at: 160_000)
        #expect(pace.next(at: 160_000) == .wait(until: 260_000))
        #expect(pace.next(at: 260_000) == .look)
        pace.looked(at: 261_000)
        pace.join()
        #expect(pace.next(at: 262_000) == .wait(until: 1_261_000))
        pace.leave()
        #expect(pace.next(at: 9_000_000) == .look)
        pace.looked(at: 9_000_000)
        pace.leave()
        #expect(pace.next(at: 99_000_000) == .rest)
    }
}

@Suite("The stream of news", .timeLimit(.minutes(1)))
struct NewsStreamTests {
    private func listen(
        _ bench: RESTBench, _ query: String = "", _ fields: [String: String] = [:]
    ) async throws -> (client: WebClient, opening: String) {
        let client = try bench.api.client()
        await client.send(WebClient.text("GET /api/v2/stream\(query)", fields))
        let opening = try #require(await client.text(until: "data: {}\n\n"))
        return (client, opening)
    }

    private func id(_ text: String) -> String? {
        // What frames a chunk ends its lines otherwise.
        text.replacing("\r\n", with: "\n").split(separator: "\n").last { $0.hasPrefix("id: ") }.map {
            String($0.dropFirst(4))
        }
    }

    @Test("Who listens hears of runs, task instances, waits, DAGs, as far as he wants to, and goes on where he was")
    func changes() async throws {
        let bench = try await RESTBench()
        let (all, opening) = try await listen(bench)
        #expect(opening.contains("200 OK") && opening.lowercased().contains("content-type: text/event-stream"))
        #expect(opening.lowercased().contains("transfer-encoding: chunked") && opening.contains("event: ready"))
        let (rates, _) = try await listen(bench, "?dag_id=rates&kinds=run,dag")
        #expect(try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": "n1"]).status == 201)
        let new = try #require(await all.text(until: "\"state\":\"queued\""))
        #expect(new.contains("event: run\n") && new.contains("\"dag_run_id\":\"n1\""), "\(new)")
        try await bench.advance()
        let wait = try #require(await all.text(until: "event: wait\n"))
        #expect(wait.contains("\"state\":\"running\""), "\(wait)")
        _ = try #require(await all.text(until: "\"task_id\":\"nap\""))
        let nap = try #require(try await bench.waits().first { $0.key.runID == "r1" && $0.key.taskID == "nap" })
        #expect(try await bench.send("POST", "deferred/\(nap.waitID)/fire", [:]).status == 200)
        let fired = try #require(await all.text(until: "\"change\":\"ended\""))
        #expect(fired.contains("event: task_instance\n") && fired.contains("\"state\":\"success\""), "\(fired)")
        bench.api.clock.now = bench.api.clock.now + .seconds(2)
        #expect(try await bench.send("PATCH", "dags/rates", ["is_paused": true]).status == 200)
        let paused = try #require(await rates.text(until: "\"is_paused\":true"))
        #expect(!paused.contains("orders") && !paused.contains("event: wait"), "\(paused)")
        let rest = try #require(await all.text(until: "\"is_paused\":true"))

        // From the id of the first run on, everything comes again.
        let first = try #require(id(new))
        let (again, words) = try await listen(bench, "", ["Last-Event-ID": first])
        #expect(words.contains("event: ready"))
        let heard = try #require(await again.text(until: "\"is_paused\":true"))
        #expect(heard.contains("\"change\":\"ended\"") && !heard.contains("\"state\":\"queued\",\"unf"), "\(heard)")
        #expect(rest.isEmpty == false)
        let (_, reset) = try await listen(bench, "?after=elsewhere-7")
        #expect(reset.contains("event: reset"))
        try await bench.end()
    }

    @Test("Who hears nothing is told that the connection lives")
    func heartbeat() async throws {
        let bench = RESTBench(of: try await APIBench { $0.heartbeatTime = TimeSpan(microseconds: 30_000) })
        let (client, opening) = try await listen(bench)
        for _ in 0..<3 { #expect(await client.text(until: ":\nid: \(id(opening) ?? "?")\n\n") != nil) }
        try await bench.end()
    }

    @Test("As many listen as may, others still ask, and whoever goes makes room")
    func many() async throws {
        let bench = RESTBench(
            of: try await APIBench {
                $0.streams = 2
                $0.connections = 2
            })
        let (first, _) = try await listen(bench)
        let (second, _) = try await listen(bench)
        let refused = try await bench.get("stream")
        #expect(refused.status == 503 && refused.body.contains("api.streams"), "\(refused)")
        #expect(try await bench.get("version").status == 200)
        #expect(try await bench.get("stream?kinds=rum").problem?.blamed == "kinds")
        first.endSending()
        #expect(await first.text(until: "never") == nil)
        let (third, _) = try await listen(bench)
        await bench.api.server.stop()
        for client in [second, third] { #expect(await client.text(until: "never") == nil) }
        try bench.api.metastore.close()
        bench.api.folder.remove()
    }

    @Test("The head alone can be asked for, and holds nothing up")
    func head() async throws {
        let bench = RESTBench(of: try await APIBench())
        let answer = try await bench.send("HEAD", "stream")
        #expect(answer.status == 200 && answer.fields["content-type"] == "text/event-stream")
        try await bench.end()
    }
}

@Suite("What has changed", .timeLimit(.minutes(1)))
struct ChangeTests {
    private func look(_ bench: RESTBench, _ picture: inout ChangePicture) async throws -> [Change] {
        let before = picture
        let (after, changes) = try await bench.api.metastore.read { snapshot in
            var picture = before
            let changes = try picture.look(snapshot)
            return (picture, changes)
        }
        picture = after
        return changes
    }

    @Test("The first look tells nothing, a second one what has changed between, a third nothing again")
    func looks() async throws {
        let bench = try await RESTBench()
        var picture = ChangePicture()
        #expect(try await look(bench, &picture).isEmpty)
        #expect(try await look(bench, &picture).isEmpty)
        _ = try await bench.send("PATCH", "dags/orders/dagRuns/r1", ["state": "failed"])
        try await bench.advance()
        let changes = try await look(bench, &picture)
        #expect(changes.filter { $0.kind == .run }.map { $0.facts["state"] } == ["failed"], "\(changes)")
        #expect(changes.filter { $0.kind == .wait }.map { $0.facts["change"] } == ["ended", "ended"])
        #expect(changes.filter { $0.kind == .taskInstance }.count == 4, "\(changes)")
        #expect(try await look(bench, &picture).isEmpty)
        // A run that begins and ends between two looks is told of as well.
        _ = try await bench.send("POST", "dags/rates/dagRuns", ["dag_run_id": "short"])
        try await bench.advance()
        _ = try await bench.send("PATCH", "dags/rates/dagRuns/short", ["state": "failed"])
        try await bench.advance()
        let short = try await look(bench, &picture)
        #expect(short.map { $0.facts["dag_run_id"] } == ["short"] && short[0].facts["state"] == "failed", "\(short)")
        #expect(try await look(bench, &picture).isEmpty)
        try await bench.end()
    }

    @Test("Where there is too much of a kind it is told that there is much, and the rest as ever")
    func bounds() async throws {
        let bench = try await RESTBench()
        var bounds = ChangePicture.Bounds()
        (bounds.runs, bounds.instancesOfRun, bounds.waits) = (2, 3, 2)
        var picture = ChangePicture(bounds)
        #expect(try await look(bench, &picture).isEmpty)
        for number in 0..<3 {
            _ = try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": .string("m\(number)")])
        }
        try await bench.advance()
        let many = try await look(bench, &picture)
        #expect(many.map(\.kind) == [.run, .taskInstance, .wait] && many.allSatisfy { $0.facts["many"] == true })
        bench.api.clock.now = bench.api.clock.now + .seconds(2)
        #expect(try await look(bench, &picture).map(\.kind) == [.run, .taskInstance])
        for number in 0..<3 {
            _ = try await bench.send("PATCH", "dags/orders/dagRuns/m\(number)", ["state": "failed"])
        }
        try await bench.advance()
        bench.api.clock.now = bench.api.clock.now + .seconds(2)
        let few = try await look(bench, &picture)
        #expect(few.contains { $0.kind == .run }, "\(few)")
        #expect(try await look(bench, &picture).isEmpty)
        try await bench.end()
    }
}
