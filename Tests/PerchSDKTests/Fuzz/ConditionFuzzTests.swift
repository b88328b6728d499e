// SPDX-License-Identifier: Apache-2.0
import FuzzSupport
import PerchSDK
import Testing

@Suite("Fuzz: conditions and paths") struct ConditionFuzzTests {
    enum Step {
        case member(String)
        case element(Int)
        case every
    }

    static func step(_ source: inout FuzzSource) -> Step {
        switch source.int(0...3) {
        case 0: .member(source.name())
        case 1: .member("a")
        case 2: .element(source.int(-3...3))
        default: .every
        }
    }

    static func written(_ steps: [Step]) -> String {
        steps.reduce(into: "$") { text, step in
            switch step {
            case .every: text += "[*]"
            case .element(let index): text += "[\(index)]"
            case .member(let name):
                text += "['"
                for scalar in name.unicodeScalars {
                    if scalar == "\\" || scalar == "'" { text += "\\" }
                    text.unicodeScalars.append(scalar)
                }
                text += "']"
            }
        }
    }

    static func selected(_ steps: some Collection<Step>, in value: JSONValue) -> [JSONValue] {
        guard let step = steps.first else { return [value] }
        let rest = steps.dropFirst()
        switch (step, value) {
        case (.member(let name), .object(let members)): return members[name].map { selected(rest, in: $0) } ?? []
        case (.element(let index), .array(let elements)):
            let place = index < 0 ? index + elements.count : index
            return elements.indices.contains(place) ? selected(rest, in: elements[place]) : []
        case (.every, .array(let elements)): return elements.flatMap { selected(rest, in: $0) }
        case (.every, .object(let members)):
            return members.sorted { $0.key < $1.key }.flatMap { selected(rest, in: $0.value) }
        default: return []
        }
    }

    @Test("a path selects what walking down by hand selects") func paths() throws {
        try Fuzz.run("paths", count: 2_000) { source in
            let steps = source.several(0...4) { Self.step(&$0) }
            let text = Self.written(steps)
            let document = source.json(depth: 5)
            let path = JSONPath(text)
            try Fuzz.check(path.problem == nil, "refused: \(text): \(path.problem ?? "")")
            try Fuzz.same(path.values(in: document), Self.selected(steps, in: document), "\(text) in \(document.text)")
            let mutated = JSONPath(source.mutated(text, with: "$.a.b[0]"))
            if let problem = mutated.problem { try Fuzz.checkMessage(problem) }
            _ = mutated.values(in: document)
        }
    }

    static func condition(_ source: inout FuzzSource, depth: Int = 2) -> JSONCondition {
        switch source.int(0...(depth > 0 ? 5 : 2)) {
        case 0...2:
            let path = written(source.several(0...2) { step(&$0) })
            let value = source.json(depth: 1)
            return .json(
                path,
                source.pick([
                    .equals(value), .notEquals(value), .isIn([value, source.json(depth: 1)]), .greaterThan(value),
                    .atLeast(value), .lessThan(value), .atMost(value), .exists(source.one(in: 2)),
                    .matches(source.pick(["a", "^b", "(", source.text()])), .contains(value),
                ]))
        case 3: return .all(source.several(0...3) { condition(&$0, depth: depth - 1) })
        case 4: return .any(source.several(0...3) { condition(&$0, depth: depth - 1) })
        default: return .not(condition(&source, depth: depth - 1))
        }
    }

    @Test("a condition is stored and read again, and obeys logic") func logic() throws {
        try Fuzz.run("conditions", count: 1_000) { source in
            let condition = Self.condition(&source)
            let text = try JSONText.encode(condition)
            let read = try JSONText.decode(JSONCondition.self, from: text)
            // A coder writes 1.0 as 1, which is the same number but is read as another kind, so it is coded twice.
            let again = try JSONText.encode(read)
            try Fuzz.same(try JSONText.encode(JSONText.decode(JSONCondition.self, from: again)), again, "coded twice")
            for problem in condition.problems { try Fuzz.checkMessage(problem) }
            let (document, other) = (source.json(), Self.condition(&source))
            let (isMet, isOtherMet) = (condition.evaluate(document), other.evaluate(document))
            try Fuzz.check(read.evaluate(document) == isMet, "stored: \(text)")
            try Fuzz.check(JSONCondition.not(condition).evaluate(document) != isMet, "not \(text)")
            try Fuzz.check(
                JSONCondition.all([condition, other]).evaluate(document) == (isMet && isOtherMet), "all \(text)")
            try Fuzz.check(
                JSONCondition.any([condition, other]).evaluate(document) == (isMet || isOtherMet), "any \(text)")
            _ = condition.description
            let mutated = source.mutated(text, with: try JSONText.encode(other))
            _ = try Fuzz.accepted { try JSONText.decode(JSONCondition.self, from: mutated) }
        }
    }

    @Test("of two numbers one is less, or they are the same, or the other is less") func order() throws {
        try Fuzz.run("number order", count: 2_000) { source in
            func number() -> JSONValue { source.one(in: 2) ? .integer(source.integer()) : .number(source.double()) }
            let left = number()
            var right = number()
            if case .integer(let whole) = left, source.one(in: 2) { right = .number(Double(whole)) }
            func holds(_ test: JSONTest, _ value: JSONValue) -> Bool { JSONCondition.json("$", test).evaluate(value) }
            let (less, same, more) = (
                holds(.lessThan(right), left), holds(.equals(right), left), holds(.greaterThan(right), left)
            )
            try Fuzz.check([less, same, more].count { $0 } == 1, "\(left) and \(right): \(less) \(same) \(more)")
            try Fuzz.check(holds(.atMost(right), left) == (less || same), "\(left) at most \(right)")
            try Fuzz.check(holds(.atLeast(right), left) == (more || same), "\(left) at least \(right)")
            try Fuzz.check(holds(.lessThan(left), right) == more, "\(right) less than \(left)")
        }
    }
}
