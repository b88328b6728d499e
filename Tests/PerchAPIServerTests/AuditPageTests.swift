// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("The page of what was done", .timeLimit(.minutes(1)))
struct AuditPageTests {
    /// A home with 120 entries, one a minute, of two people.
    private func bench() async throws -> RESTBench {
        let bench = try await RESTBench()
        for number in 0..<120 {
            bench.api.clock.now = bench.api.clock.now + .seconds(60)
            let entry = AuditEntry(
                who: number % 3 == 0 ? "ben" : "anna", how: "session", action: number % 2 == 0 ? "form" : "PUT pools",
                subject: "/pools/p\(number)", details: ["number": .integer(Int64(number))])
            try await bench.api.metastore.write { try $0.audit(entry) }
        }
        return bench
    }

    private func subjects(_ page: MarkupCheck) -> [String] {
        page.elements.filter { $0.name == "td" && $0.text.hasPrefix("/pools/") }.map(\.text)
    }

    @Test("It is told page by page, the latest first, with filters for who, what, to what and when")
    func filters() async throws {
        let bench = try await bench()
        var (found, path): ([String], String?) = ([], "/audit")
        for _ in 0..<9 {
            guard let next = path else { break }
            let page = try await bench.read(next)
            found += subjects(page)
            path = page.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
        }
        #expect(found == (0..<120).reversed().map { "/pools/p\($0)" } && path == nil)
        let middle = (bench.api.clock.now + .seconds(-1_800)).description
        for (query, count) in [
            ("who=ben", 40), ("who=be", 0), ("action=put", 50), ("subject=p7", 11), ("subject=p7&who=ben", 3),
            ("since=10m", 11), ("since=\(PagePath.encoded(middle))", 31), ("until=\(PagePath.encoded(middle))", 50),
            ("since=20m&until=10m", 10), ("subject=%25", 0), ("who=%3Cscript%3E", 0),
        ] {
            #expect(subjects(try await bench.read("/audit?\(query)")).count == count, "\(query)")
        }
        let wrong = try await bench.page("/audit?since=soon")
        #expect(wrong.status == 200 && wrong.body.contains("role=\"alert\""), "\(wrong)")
        // The same behind the API.
        for (query, count) in [("event=put", 60), ("subject=p7", 11), ("when_lt=\(PagePath.encoded(middle))", 89)] {
            #expect(try await bench.all("auditLog?\(query)", "entries", limit: 25).count == count, "\(query)")
        }
        try await bench.end()
    }

    @Test("Names and details from elsewhere are text, and long ones make a page no heavier")
    func hostile() async throws {
        let bench = try await RESTBench()
        let hostile = "<script>alert(1)</script>\u{1B}\u{202E}\"'"
        for number in 0..<60 {
            let entry = AuditEntry(
                who: hostile, how: hostile, action: hostile, subject: hostile + String(repeating: "s", count: 5_000),
                details: [
                    "<b>": .string(hostile + String(repeating: "\"", count: 3_900)), "n": .integer(Int64(number)),
                ])
            try await bench.api.metastore.write { try $0.audit(entry) }
        }
        var (count, path): (Int, String?) = (0, "/audit")
        for _ in 0..<60 {
            guard let next = path else { break }
            let answer = try await bench.page(next)
            let page = MarkupCheck(answer.body)
            #expect(page.faults.isEmpty && answer.body.utf8.count < 150_000, "\(page.faults)")
            #expect(!answer.body.contains("<script>alert") && !answer.body.contains("\u{1B}"))
            count += page.elements.filter { $0.name == "summary" }.count
            path = page.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
        }
        #expect(count == 60)
        try await bench.end()
    }
}
