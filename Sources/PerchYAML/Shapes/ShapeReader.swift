// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Holds values against shapes, and collects everything that is wrong.
///
/// What it gives is the value in one form: short forms are written out, lengths of time are microseconds, one element is
/// a list of one, keys without a value are left out.
struct ShapeReader {
    var problems: [YAMLProblem] = []

    /// The value in its one form; nil where something in it is wrong.
    mutating func read(_ value: YAMLValue, as shape: Shape, _ name: String) -> YAMLValue? {
        switch shape {
        case .text: return text(value, name)
        case .template: return template(value, name)
        case .flag:
            if case .flag = value.content { return value }
            return refuse(value, name, "true or false")
        case .yes:
            return value.isTrue ? value : refuse(value, name, "true, or left out")
        case .integer(let range): return integer(value, range, name)
        case .templatedInteger(let range):
            if let text = value.text, text.contains("{{") { return template(value, name) }
            return integer(value, range, name, or: ", or a template")
        case .number:
            switch value.content {
            case .integer, .number: return value
            case .null, .flag, .text, .list, .mapping: return refuse(value, name, "a number")
            }
        case .span(let bound): return span(value, bound, name)
        case .choice(let choices): return choice(value, choices, name)
        case .scalar: return scalar(value, name)
        case .any: return value
        case .list(let element):
            guard case .list = value.content else { return refuse(value, name, "a list: a line with '- ' for each") }
            return list(value, of: element, name)
        case .oneOrMore(let element):
            if case .list = value.content { return list(value, of: element, name) }
            guard let one = read(value, as: element, name) else { return nil }
            return YAMLValue(content: .list([one]), place: value.place)
        case .dictionary(let element): return dictionary(value, of: element, name)
        case .object(let object): return self.object(value, object, name)
        case .cases(let key, let first, let second):
            return object(value, value[key] == nil ? second : first, name)
        case .marked(let key, let object, let other):
            guard Shape.isMarked(value, by: key, object) else { return read(value, as: other, name) }
            return self.object(value, object, name)
        case .named(let known):
            guard let shape = Shapes.named[known] else {
                return refuse(value, name, "of a shape '\(known)', which there is not")
            }
            return read(value, as: shape, name)
        }
    }

    mutating func report(_ message: String, at place: YAMLPlace) {
        problems.append(YAMLProblem(place: place, message: message))
    }

    private mutating func refuse(_ value: YAMLValue, _ name: String, _ wanted: String) -> YAMLValue? {
        report("'\(name)' is \(wanted), not \(value.shown)", at: value.place)
        return nil
    }

    // MARK: Scalars

    private mutating func text(_ value: YAMLValue, _ name: String) -> YAMLValue? {
        switch value.content {
        case .text: return value
        case .integer, .number: return YAMLValue(content: .text(value.written), place: value.place)
        case .flag: return refuse(value, name, "a text, in quotes where it looks like something else")
        case .null, .list, .mapping: return refuse(value, name, "a text")
        }
    }

    private mutating func template(_ value: YAMLValue, _ name: String) -> YAMLValue? {
        guard let value = text(value, name), let text = value.text else { return nil }
        let found = TemplateCheck.problems(in: text)
        for problem in found { report("'\(name)': \(problem)", at: value.place) }
        return found.isEmpty ? value : nil
    }

    private mutating func scalar(_ value: YAMLValue, _ name: String) -> YAMLValue? {
        switch value.content {
        case .text: return value
        case .integer, .number, .flag: return YAMLValue(content: .text(value.written), place: value.place)
        case .null, .list, .mapping: return refuse(value, name, "a text, a number, true or false")
        }
    }

    private mutating func integer(
        _ value: YAMLValue, _ range: ClosedRange<Int64>, _ name: String, or more: String = ""
    ) -> YAMLValue? {
        if case .integer(let number) = value.content, range.contains(number) { return value }
        return refuse(value, name, Self.words(range) + more)
    }

    static func words(_ range: ClosedRange<Int64>) -> String {
        range.upperBound == .max
            ? "a whole number from \(range.lowerBound)"
            : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }

    private mutating func span(_ value: YAMLValue, _ bound: Shape.SpanBound, _ name: String) -> YAMLValue? {
        switch value.content {
        case .text, .integer, .number: break
        case .null, .flag, .list, .mapping: return refuse(value, name, "a duration such as 30s, 5m, 6h or 1d")
        }
        do throws(PerchError) {
            let span = try TimeSpan(parsing: value.written)
            if bound == .positive, span.microseconds <= 0 { return refuse(value, name, "a duration above 0") }
            if bound == .notNegative, span.microseconds < 0 { return refuse(value, name, "a duration from 0") }
            return YAMLValue(content: .integer(span.microseconds), place: value.place, written: value.written)
        } catch {
            report("'\(name)': \(error.message)", at: value.place)
            return nil
        }
    }

    private mutating func choice(_ value: YAMLValue, _ choices: [String], _ name: String) -> YAMLValue? {
        if case .text(let text) = value.content {
            if choices.contains(text) { return value }
            if let near = NearestName.of(text, among: choices) {
                report("'\(name)' is no '\(text.shown(60))'; did you mean '\(near)'?", at: value.place)
                return nil
            }
        }
        return refuse(value, name, "one of " + choices.joined(separator: ", "))
    }

    // MARK: What holds others

    private mutating func list(_ value: YAMLValue, of element: Shape, _ name: String) -> YAMLValue? {
        var elements: [YAMLValue] = []
        for (index, item) in value.elements.enumerated() {
            if let item = read(item, as: element, "\(name)[\(index)]") { elements.append(item) }
        }
        return elements.count == value.elements.count
            ? YAMLValue(content: .list(elements), place: value.place) : nil
    }

    private mutating func dictionary(_ value: YAMLValue, of element: Shape, _ name: String) -> YAMLValue? {
        guard case .mapping(let members) = value.content else {
            return refuse(value, name, "a mapping: a line 'name: value' for each")
        }
        var read: [YAMLValue.Member] = []
        for member in members {
            guard let item = self.read(member.value, as: element, "\(name).\(member.name.shown(40))") else { continue }
            read.append(YAMLValue.Member(name: member.name, place: member.place, value: item))
        }
        return read.count == members.count ? YAMLValue(content: .mapping(read), place: value.place) : nil
    }

    private mutating func object(_ value: YAMLValue, _ shape: ObjectShape, _ name: String) -> YAMLValue? {
        guard case .mapping = value.content else { return short(value, shape, name) }
        let count = problems.count
        let read = parts(of: value, shape, name)
        return problems.count == count ? read : nil
    }

    /// What is right in a mapping, whatever else is wrong in it.
    mutating func parts(of value: YAMLValue, _ shape: ObjectShape, _ name: String) -> YAMLValue {
        guard case .mapping(let members) = value.content else {
            _ = short(value, shape, name)
            return YAMLValue(content: .mapping([]), place: value.place)
        }
        var read: [YAMLValue.Member] = []
        for member in members {
            guard let field = shape.field(member.name) else {
                report(Self.unknown(member.name, in: shape), at: member.place)
                continue
            }
            if member.value.isNull, !field.shape.takesNull { continue }
            guard let item = self.read(member.value, as: field.shape, member.name) else { continue }
            read.append(YAMLValue.Member(name: member.name, place: member.place, value: item))
        }
        let given = members.filter { !$0.value.isNull || shape.field($0.name)?.shape.takesNull == true }
        for field in shape.fields where field.isRequired && !given.contains(where: { $0.name == field.name }) {
            report("\(shape.name) has no '\(field.name)': \(field.summary)", at: value.place)
        }
        check(shape, given, value.place)
        return YAMLValue(content: .mapping(read), place: value.place)
    }

    /// A value in place of the mapping that would hold it.
    private mutating func short(_ value: YAMLValue, _ shape: ObjectShape, _ name: String) -> YAMLValue? {
        guard let short = shape.short, let field = shape.field(short), !value.isNull else {
            return refuse(value, name, "a mapping: a line 'key: value' for each of its keys")
        }
        if case .list = value.content, let wanted = shape.inPlaceOfList { return refuse(value, name, wanted) }
        guard let item = read(value, as: field.shape, name) else { return nil }
        return YAMLValue(
            content: .mapping([YAMLValue.Member(name: short, place: value.place, value: item)]), place: value.place)
    }

    private mutating func check(_ shape: ObjectShape, _ given: [YAMLValue.Member], _ place: YAMLPlace) {
        func members(_ names: [String]) -> [YAMLValue.Member] { given.filter { names.contains($0.name) } }
        for rule in shape.rules {
            switch rule {
            case .exactlyOne(let names), .atLeastOne(let names):
                if members(names).isEmpty {
                    report("\(shape.name) has one of \(Self.listed(names))", at: place)
                }
                if case .exactlyOne = rule { reportAllButOne(members(names), in: shape) }
            case .atMostOne(let names): reportAllButOne(members(names), in: shape)
            case .needs(let name, let others):
                guard let member = members([name]).first, members(others).isEmpty else { continue }
                report(
                    "'\(name)' of \(shape.name) stands beside \(Self.listed(others, last: "or")) only",
                    at: member.place)
            case .excludes(let name, let others):
                guard !members([name]).isEmpty else { continue }
                for other in members(others) {
                    report("\(shape.name) with '\(name)' has no '\(other.name)'", at: other.place)
                }
            }
        }
    }

    private mutating func reportAllButOne(_ members: [YAMLValue.Member], in shape: ObjectShape) {
        guard let first = members.first else { return }
        for other in members.dropFirst() {
            report("\(shape.name) has either '\(first.name)' or '\(other.name)', not both", at: other.place)
        }
    }

    private static func unknown(_ name: String, in shape: ObjectShape) -> String {
        let shown = name.shown(60)
        if let field = shape.fields.first(where: { $0.others.contains(name) }) {
            return "\(shape.name) has no '\(shown)'; here it is called '\(field.name)'"
        }
        let names = shape.fields.map(\.name)
        if let near = NearestName.of(name, among: names) {
            return "\(shape.name) has no '\(shown)'; did you mean '\(near)'?"
        }
        return "\(shape.name) has no '\(shown)'; it has \(names.joined(separator: ", "))"
    }

    static func listed(_ names: [String], last: String = "and") -> String {
        let quoted = names.map { "'\($0)'" }
        guard let end = quoted.last, quoted.count > 1 else { return quoted.joined() }
        return quoted.dropLast().joined(separator: ", ") + " \(last) " + end
    }
}
