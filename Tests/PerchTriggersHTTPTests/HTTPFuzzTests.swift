// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import Testing

@testable import PerchTriggersHTTP

@Suite("Fuzz: HTTP waits") struct HTTPFuzzTests {
    static func condition(_ source: inout FuzzSource, depth: Int = 2) -> HTTPCondition {
        switch source.int(0...(depth > 0 ? 8 : 5)) {
        case 0: .status(Int(source.integer()))
        case 1: .status(in: [200, Int(source.integer())])
        case 2: .status(in: 100...source.int(100...599))
        case 3: .header(source.text(), equals: source.text())
        case 4: .header("X-A", matches: source.pick(["a", "^b$", "(", source.text()]))
        case 5: .json("$.a", .equals(source.json(depth: 1)))
        case 6: .all(source.several(0...3) { condition(&$0, depth: depth - 1) })
        case 7: .any(source.several(0...3) { condition(&$0, depth: depth - 1) })
        default: .not(condition(&source, depth: depth - 1))
        }
    }

    @Test("a condition is stored, shown and asked without harm, and reads as it was") func conditions() throws {
        try Fuzz.run("HTTP conditions", count: 1_000) { source in
            let condition = Self.condition(&source)
            let text = try JSONText.encode(condition)
            // A coder writes 1.0 as 1, which is the same number but is read as another kind, so it is coded twice.
            let once = try JSONText.encode(JSONText.decode(HTTPCondition.self, from: text))
            try Fuzz.same(try JSONText.encode(JSONText.decode(HTTPCondition.self, from: once)), once, "coded twice")
            for problem in condition.problems { try Fuzz.checkMessage(problem) }
            let answer = HTTPAnswer(
                status: source.int(100...599), headers: ["x-a": source.text()], bytes: Array(source.json().text.utf8))
            _ = condition.evaluate(answer)
            let mutated = source.mutated(text, with: try JSONText.encode(Self.condition(&source)))
            if let read = try Fuzz.accepted({ try JSONText.decode(HTTPCondition.self, from: mutated) }) {
                let again = try JSONText.encode(read)
                try Fuzz.same(try JSONText.encode(JSONText.decode(HTTPCondition.self, from: again)), again, mutated)
            }
        }
    }

    @Test("an address is taken or refused in words that hold nothing secret") func addresses() throws {
        try Fuzz.run("HTTP addresses", count: 3_000) { source in
            let secret = "sEcReT"
            let user = source.pick(["", "", "user:\(secret)@", "\(secret)@", "a@b:\(secret)@", ":\(secret)@"])
            let slashes = source.pick(["://", "://", ":/", ":///", ":", ":\\\\"])
            var text =
                source.pick(["http", "https", "HTTP", "ftp", ""]) + slashes + user
                + source.pick(["example.org", "[::1]", "127.0.0.1", "a..b", "ä.de", ""])
                + source.pick(["", ":80", ":99999", ":x"])
                + source.pick(["", "/", "/a b", "/a?token=\(secret)", "#\(secret)", "/\(source.text())"])
            // What is changed may have its secret where no address has one.
            let isChanged = source.one(in: 3)
            if isChanged { text = source.mutated(text, with: "https://example.org/") }
            let problems = HTTPTrigger(url: text).problems
            for problem in problems {
                try Fuzz.checkMessage(problem)
                try Fuzz.check(isChanged || !problem.contains(secret), "a secret in the words for \(text): \(problem)")
            }
            if let address = try Fuzz.accepted({ try HTTPAddress(text) }) {
                try Fuzz.check(["http", "https"].contains(address.scheme) && !address.host.isEmpty, text)
                try Fuzz.check(!text.utf8.contains(0), "a zero byte: \(text.debugDescription)")
            }
        }
    }

    @Test("a stored wait is refused, or its times can be reckoned with") func triggers() throws {
        try Fuzz.run("HTTP triggers", count: 1_500) { source in
            let members: [String: JSONValue] = [
                "url": "http://a/", "every": .integer(source.integer()), "timeout": .integer(source.integer()),
                "method": .string(source.pick(["GET", source.text()])), "headers": source.json(depth: 1),
                "until": source.json(depth: 2), "body": .string(source.text()),
            ]
            let chosen = members.filter { $0.key == "url" || source.one(in: 3) }
            guard let trigger = try Fuzz.accepted({ try JSONValue.object(chosen).decode(HTTPTrigger.self) }) else {
                return
            }
            let problems = trigger.problems
            for problem in problems { try Fuzz.checkMessage(problem) }
            guard problems.isEmpty else { return }
            let century = Int64(100 * 366) * 86_400 * 1_000_000
            try Fuzz.check(trigger.every.microseconds < century && trigger.timeout.microseconds < century, "\(trigger)")
        }
    }

    @Test("found by fuzzing: the widest range of statuses is shown and stored") func widestRange() throws {
        let text = #"{"status": "0-9223372036854775807"}"#
        let condition = try JSONText.decode(HTTPCondition.self, from: text)
        #expect(condition.description.contains("0-9223372036854775807"))
        #expect(!condition.problems.isEmpty)
        #expect(try JSONText.encode(condition).contains("0-9223372036854775807"))
    }

    @Test("found by fuzzing: a condition of two kinds is refused, for one of them would not be asked")
    func twoKinds() {
        for text in [
            #"{"status": 200, "json": {"path": "$", "exists": true}}"#, #"{"body": "a", "stauts": 1}"#,
            #"{"header": "a", "equals": "b", "matches": "c"}"#, #"{"not": {"status": 1}, "any": []}"#,
        ] {
            #expect(throws: PerchError.self, "\(text)") { try JSONText.decode(HTTPCondition.self, from: text) }
        }
    }

    @Test(
        "found by fuzzing: a name and password are never shown, however few or many slashes stand before them",
        arguments: [
            "http:/user:sEcReT@host/", "http:///user:sEcReT@host/", "http:user:sEcReT@host/", "user:sEcReT@host/",
            "http://user:sEcReT@host", "http:\\\\user:sEcReT@host/", "x\u{0}http://user:sEcReT@host/",
        ])
    func secrets(_ url: String) {
        #expect(!HTTPTrigger(url: url).problems.joined().contains("sEcReT"))
        #expect(!HTTPAddress.shown(url).contains("sEcReT"))
    }
}
