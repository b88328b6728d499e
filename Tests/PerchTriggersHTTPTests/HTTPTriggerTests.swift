// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersHTTP
import Testing

struct HTTPTriggerTests {
    @Test("A trigger survives being stored, with references and not secrets in it")
    func coding() throws {
        let conditions: [HTTPCondition] = [
            .success, .status(200), .status(in: [200, 404]), .header("X-State", equals: "done"),
            .header("X-State", matches: "^do"), .body(matches: "read(y|ily)"), .json("$.state", in: ["DONE"]),
            .any([.all([.status(in: 500...599), .json("$.total", .greaterThan(100))]), .not(.status(404))]),
        ]
        for condition in conditions {
            let trigger: HTTPTrigger = .http(
                "https://example.org/{{ run_id }}", every: .seconds(5), until: condition, method: "post",
                headers: ["Authorization": .environment("TOKEN", prefix: "Bearer "), "X": "y"], body: "{}")
            let spec = try TriggerSpec(trigger)
            #expect(try spec.trigger(as: HTTPTrigger.self) == trigger)
            #expect(spec.target == "POST https://example.org/{{ run_id }}")
        }
    }

    @Test("A written definition needs a URL alone, and may give statuses as numbers, ranges and lists")
    func written() throws {
        func read(_ text: String) throws -> HTTPTrigger { try JSONValue(parsing: text).decode(HTTPTrigger.self) }
        #expect(try read(#"{"url": "http://a/"}"#) == HTTPTrigger(url: "http://a/"))
        #expect(
            try read(#"{"url": "http://a/", "until": {"status": [200, "400-499"]}}"#).until.description.contains(
                "400-499"))
        #expect(throws: PerchError.self) { try read(#"{"url": "http://a/", "until": {"status": "2xx"}}"#) }
        #expect(throws: PerchError.self) { try read(#"{"url": "http://a/", "until": {"state": "DONE"}}"#) }
    }

    @Test("What cannot be asked is a problem at declaration, and says why")
    func problems() {
        func problem(_ trigger: HTTPTrigger) -> String { trigger.problems.joined(separator: "; ") }
        #expect(problem(HTTPTrigger(url: "https://example.org/a?b=c")).isEmpty)
        #expect(problem(HTTPTrigger(url: "{{ params.url }}")).isEmpty)
        #expect(problem(HTTPTrigger(url: "http://host:{{ params.port }}/{{ ds }}")).isEmpty)
        #expect(problem(HTTPTrigger(url: "ftp://example.org/")).contains("is not http or https"))
        #expect(problem(HTTPTrigger(url: "example.org")).contains("no URL"))
        #expect(problem(HTTPTrigger(url: "https://")).contains("no URL"))
        let withPassword = problem(HTTPTrigger(url: "https://me:secret@example.org/"))
        #expect(withPassword.contains("holds a name or password"))
        #expect(!withPassword.contains("secret@"))
        #expect(problem(HTTPTrigger(url: "http://a/", every: .seconds(0))).contains("shortest"))
        #expect(problem(HTTPTrigger(url: "http://a/", timeout: .seconds(0))).contains("timeout"))
        #expect(problem(HTTPTrigger(url: "http://a/", method: "GET /")).contains("no HTTP method"))
        #expect(problem(HTTPTrigger(url: "http://a/", headers: ["a b": "c"])).contains("no name of a header"))
        #expect(problem(HTTPTrigger(url: "http://a/", headers: ["a": "b\r\nc: d"])).contains("line break"))
        #expect(problem(HTTPTrigger(url: "http://a/", until: .body(matches: "("))).contains("pattern"))
        #expect(problem(HTTPTrigger(url: "http://a/", until: .status(in: []))).contains("at least one"))
    }
}
