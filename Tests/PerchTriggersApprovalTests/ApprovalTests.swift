// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersApproval
import Testing

@Suite("Approvals: the form, and what is held against it")
struct ApprovalTests {
    private static let form = ApprovalTrigger.approval(
        "Deploy?",
        fields: [
            .choice("region", ["eu", "us"], label: "Where to"), .int("percent", default: 10),
            .string("ticket", required: false), .bool("notify", default: true), .number("budget"),
        ])

    private func answer(
        _ decision: ApprovalAnswer.Decision, _ typed: [(String, String)]
    ) throws -> ApprovalAnswer {
        try Self.form.answer(
            decision, typed: typed.map { (field: $0.0, text: $0.1) }, by: "anna", note: "n",
            at: Timestamp(microseconds: 7))
    }

    @Test("The coded form gives the same trigger back")
    func coding() throws {
        #expect(Self.form.problems.isEmpty)
        let spec = try TriggerSpec(Self.form)
        #expect(try TriggerSpec(parsing: spec.text).trigger(as: ApprovalTrigger.self) == Self.form)
        #expect(spec.kind == "approval" && spec.target == "Deploy?")
        guard case .array(let fields)? = spec.definition["fields"] else {
            Issue.record("no fields")
            return
        }
        #expect(fields.first?["required"] == true && fields.first?["type"] == "choice")
    }

    @Test("A yes has every value, typed and defaulted, and is read as a type")
    func approve() throws {
        struct Plan: Codable, Equatable {
            var region: String
            var percent: Int
            var ticket: String?
            var notify: Bool
            var budget: Double
        }
        let answer = try answer(.approve, [("region", "eu"), ("notify", "no"), ("budget", "1.5")])
        #expect(answer.approved)
        #expect(
            try answer.decode(as: Plan.self)
                == Plan(region: "eu", percent: 10, ticket: nil, notify: false, budget: 1.5))
        let event = try JSONValue(encoding: answer)
        #expect(event["decision"] == "approve" && event["by"] == "anna" && event["answered_at"] == 7)
        #expect(try event.decode(ApprovalAnswer.self) == answer)
        #expect(
            try self.answer(.approve, [("region", "us"), ("budget", "2"), ("ticket", "a=b")]).values["ticket"] == "a=b")
    }

    @Test("A no needs no value, but what is given is checked")
    func reject() throws {
        #expect(try answer(.reject, []).values.isEmpty)
        #expect(try answer(.reject, [("percent", "3")]).values == ["percent": 3])
        #expect(throws: PerchError.self) { try answer(.reject, [("percent", "x")]) }
    }

    @Test(
        "What does not fit is refused with the name of the field",
        arguments: [
            ([("region", "asia"), ("budget", "1")], "the field 'region' is one of eu, us, not 'asia'"),
            ([("region", "eu"), ("budget", "much")], "the field 'budget' is a number, not 'much'"),
            ([("region", "eu"), ("budget", "nan")], "the field 'budget' is a number"),
            ([("region", "eu"), ("budget", "1"), ("percent", "1.5")], "the field 'percent' is a whole number"),
            ([("region", "eu"), ("budget", "1"), ("notify", "maybe")], "the field 'notify' is true or false"),
            ([("budget", "1")], "the field 'region' is missing: it is one of eu, us"),
            ([("region", "eu"), ("region", "us")], "the field 'region' is given twice"),
            ([("colour", "red")], "there is no field 'colour'; there are region, percent, ticket, notify, budget"),
        ])
    func wrong(_ typed: [(String, String)], _ words: String) {
        let error = #expect(throws: PerchError.self) { try answer(.approve, typed) }
        #expect(error?.code == .invalid && error?.message.hasPrefix(words) == true, "\(error?.message ?? "")")
    }

    @Test(
        "What cannot be asked is said where it is declared",
        arguments: [
            (ApprovalTrigger.approval(" "), "question"), (.approval("q", fields: [.int("")]), "has a name"),
            (.approval("q", fields: [.int("a b")]), "no spaces"),
            (.approval("q", fields: [.choice("c", [])]), "nothing"),
            (.approval("q", fields: [.choice("c", ["a"], default: "b")]), "one of a"),
            (.approval("q", fields: [.int("a"), .bool("a")]), "twice"),
            (.approval("q", fields: [ApprovalField(name: "a", kind: .int, defaultValue: "x")]), "whole number"),
            (.approval("q", fields: [ApprovalField(name: "a", kind: .int, choices: ["x"])]), "has choices"),
        ])
    func problems(_ trigger: ApprovalTrigger, _ words: String) {
        #expect(trigger.problems.first?.contains(words) == true, "\(trigger.problems)")
    }

    @Test("The source explains the question and its form, and fires nothing")
    func source() throws {
        var reports: [SourceReport] = []
        let source = ApprovalSource { reports.append($0) }
        let spec = try TriggerSpec(Self.form)
        let wait = ArmedWait(
            waitID: 1, kind: spec.kind, target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: 0))
        var broken = wait
        broken.waitID = 2
        broken.definition = .object(["question": .string("q"), "fields": .string("x")])
        source.add([wait, broken])
        let sentences = source.explain(1)?.sentences ?? []
        #expect(sentences.first == "Waits for a person's answer to 'Deploy?'.")
        #expect(sentences.contains("The field 'region' is one of eu, us, required."))
        #expect(sentences.contains("The field 'percent' is a whole number, 10 where nothing is given."))
        #expect(sentences.last?.contains("approvals answer 1") == true)
        #expect(reports.count == 1 && source.explain(2) == nil)
        source.remove(1)
        #expect(source.gauges.map(\.value) == [0])
    }
}
