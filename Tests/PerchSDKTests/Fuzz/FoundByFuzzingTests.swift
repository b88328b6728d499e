// SPDX-License-Identifier: Apache-2.0
import Foundation
import FuzzSupport
import PerchSDK
import Testing

/// Inputs that went wrong once.
@Suite("Found by fuzzing") struct FoundByFuzzingTests {
    private let scope = TemplateScope(
        AttemptFacts(
            dagID: "d", runID: "r", taskID: "t", mapIndex: -1, tryNumber: 1, logicalDate: Timestamp(microseconds: 0),
            dataIntervalStart: Timestamp(microseconds: 0), dataIntervalEnd: Timestamp(microseconds: 0),
            params: .object([:]), runType: .manual))

    @Test("the least whole number of days is refused as every number that is too large") func leastDays() throws {
        #expect(throws: PerchError.self) {
            try Template.render("{{ ds_add(ds, -9223372036854775808) }}", with: scope)
        }
    }

    @Test("macros inside of macros are refused before they are too deep") func deepMacros() throws {
        let scope = scope
        try SmallStack.run { () throws -> Void in
            let text = "{{ " + String(repeating: "ds_add(", count: 100_000)
            #expect(throws: PerchError.self) { try Template.render(text, with: scope) }
            let many = String(repeating: "ds_add(", count: 20) + "ds" + String(repeating: ", 1)", count: 20)
            #expect(try Template.render("{{ \(many) }}", with: scope) == "1970-01-21")
        }
    }

    @Test("repeats of nothing inside of one another cost nothing") func emptyRepeats() {
        var text = "()"
        for _ in 0..<8 { text = "(\(text){1000})" }
        let pattern = TextPattern(text)
        #expect(pattern.problem != nil || pattern.matches("a"))
        #expect(TextPattern("(){1000}a").matches("a"))
    }

    @Test("the bounds of a repeat are digits alone, and a repeat is not repeated") func repeats() {
        #expect(!TextPattern("^a{+2}$").matches("aa"))
        #expect(!TextPattern("^a{1,+2}$").matches("aa"))
        #expect(TextPattern("a{2}{3}").problem?.contains("repeats a repeat") == true)
        #expect(TextPattern("a*{3}").problem?.contains("repeats a repeat") == true)
        #expect(TextPattern("^a*{x}$").matches("aa{x}"))
    }

    @Test("the number of a character is digits alone, and its brace is closed") func escapes() {
        for text in ["\\x+4", "\\u{+41}", "\\u{41", "\\u+041", "\\x4", "\\u{}"] {
            #expect(TextPattern(text).problem != nil, "\(text)")
        }
        #expect(TextPattern("^\\x41\\u{42}\\u0043$").matches("ABC"))
    }

    @Test("an instant whose year has no four digits is refused, for nothing could read it again")
    func years() throws {
        for text in ["0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"] {
            #expect(throws: PerchError.self, "\(text)") { try Timestamp(parsing: text) }
        }
        #expect(try Timestamp(parsing: "0000-01-01").description == "0000-01-01T00:00:00Z")
        #expect(try Timestamp(parsing: "9999-12-31T23:59:59.999999Z").description == "9999-12-31T23:59:59.999999Z")
    }

    @Test("the earliest date is an instant, and the span between the ends of time does not turn round") func ends() {
        #expect(Timestamp(Date(timeIntervalSince1970: -0x1p63)).microseconds == .min)
        let span = Timestamp(microseconds: .max) - Timestamp(microseconds: .min)
        #expect(span.microseconds == .max)
        #expect((Timestamp(microseconds: .min) - Timestamp(microseconds: 1)).microseconds == .min)
        #expect(TimeSpan.seconds(.max).microseconds == .max)
        #expect(TimeSpan.seconds(.min).microseconds == .min)
    }

    @Test("the longest span into the past is read as it is printed") func leastSpan() throws {
        let span = TimeSpan(microseconds: .min)
        #expect(try TimeSpan(parsing: span.description) == span)
    }

    @Test("a whole number is compared exactly with one that has a point") func exactOrder() {
        let document = JSONValue.integer(9_007_199_254_740_993)
        let other = JSONValue.number(0x1p53)
        #expect(JSONCondition.json("$", .greaterThan(other)).evaluate(document))
        #expect(!JSONCondition.json("$", .atMost(other)).evaluate(document))
        #expect(!JSONCondition.json("$", .lessThan(.number(0x1p63))).evaluate(.number(0x1p63)))
        #expect(JSONCondition.json("$", .lessThan(.number(0x1p63))).evaluate(.integer(.max)))
        #expect(JSONCondition.json("$", .atLeast(.number(-0x1p63))).evaluate(.integer(.min)))
    }

    @Test("from Sunday to Sunday is Sunday") func sundays() throws {
        let schedule = try CronSchedule("0 0 * * sun-sun")
        let start = try Timestamp(parsing: "2026-01-05")
        #expect(schedule.next(after: start)?.dateText == "2026-01-11")
    }

    @Test("conditions inside of conditions are refused before they are too deep") func deepConditions() throws {
        try SmallStack.run { () throws -> Void in
            for depth in [30, 200, 480] {
                let text =
                    String(repeating: #"{"not":"#, count: depth) + #"{"path":"$","exists":true}"#
                    + String(repeating: "}", count: depth)
                let condition = try Fuzz.accepted { try JSONText.decode(JSONCondition.self, from: text) }
                #expect((condition == nil) == (depth > 64), "depth \(depth)")
                #expect(condition?.evaluate(.null) ?? true)
            }
        }
    }

    @Test(
        "what a message repeats of its input is short, one line, and without control characters, whatever a character is"
    )
    func messages() throws {
        let long = "a" + String(repeating: "\u{301}", count: 100_000)
        let odd = "\u{1B}[2J\n\u{0}"
        let control = String(repeating: "\u{1C}", count: 500)
        for text in [long, odd, odd + long, control] {
            let quoted = text.replacing("\\", with: "")
            try Fuzz.checkMessage(TextPattern("(" + text).problem ?? "")
            try Fuzz.checkMessage(JSONPath(text).problem ?? "")
            try Fuzz.checkMessage(Schedule.preset("@" + text).problem ?? "")
            for problem in TemplateCheck.problems(in: "{{ nope['\(quoted)'] | \(quoted)") {
                try Fuzz.checkMessage(problem)
            }
            let coded = JSONValue.string(text).text
            #expect(try Fuzz.accepted { try Timestamp(parsing: text) } == nil)
            #expect(try Fuzz.accepted { try TimeSpan(parsing: "1" + text) } == nil)
            #expect(try Fuzz.accepted { try CronExpression("* * * * \(text)/1/1") } == nil)
            #expect(try Fuzz.accepted { try JSONText.decode(JSONCondition.self, from: #"{\#(coded): 1}"#) } == nil)
            #expect(try Fuzz.accepted { try JSONText.decode([String: Int].self, from: #"{\#(coded): ""}"#) } == nil)
            #expect(try Fuzz.accepted { try DAGDefinition(parsing: #"{"dag_id": \#(coded), "tasks": 1}"#) } == nil)
            #expect(try Fuzz.accepted { try TriggerSpec(parsing: #"{"kind": [\#(coded)]}"#) } == nil)
        }
    }

    @Test("a described DAG keeps to the rules of declared ones") func definitions() {
        for wrong in [
            #"{"dag_id": "../../etc"}"#, #"{"dag_id": ""}"#, #"{"dag_id": "d", "max_active_runs": 0}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a/b", "operator": "x"}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x"}, {"task_id": "a", "operator": "x"}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "pool_slots": -1}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "retries": -1}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "retry_delay": -1}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "task_timeout": 0}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "pool": ""}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "upstream": [0]}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "upstream": [-1]}]}"#,
            #"{"dag_id": "d", "tasks": [{"task_id": "a", "operator": "x", "inputs": [5]}]}"#,
        ] {
            #expect(throws: PerchError.self, "\(wrong)") { try DAGDefinition(parsing: wrong) }
        }
    }
}
