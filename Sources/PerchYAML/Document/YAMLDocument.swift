// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import Synchronization
internal import Yams

/// Reads the documents of a text: what YAML says, whatever it means.
enum YAMLDocument {
    /// So many values a file may come to, aliases counted each time.
    static let mostValues = 200_000
    /// So deep values may stand in one another.
    static let deepest = 64

    /// Every document of the text, in order; empty ones are left out.
    /// - Throws: `YAMLProblem` with the place of the first thing that is no YAML.
    static func all(in text: String) throws(YAMLProblem) -> [YAMLValue] {
        let answer = Mutex<Result<[YAMLValue], YAMLProblem>>(.success([]))
        do throws(PerchError) {
            try WideStack.run { answer.withLock { $0 = Result { () throws(YAMLProblem) in try parsed(text) } } }
        } catch {
            throw YAMLProblem(place: YAMLPlace(line: 1, column: 1), message: "it cannot be read: \(error)")
        }
        return try answer.withLock { $0 }.get()
    }

    private static func parsed(_ text: String) throws(YAMLProblem) -> [YAMLValue] {
        var composer = Composer()
        var documents: [YAMLValue] = []
        do {
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            while let root = try parser.nextRoot() {
                let document = try composer.value(root, depth: 0)
                if !document.isNull { documents.append(document) }
            }
        } catch let problem as YAMLProblem {
            throw problem
        } catch let error as YamlError {
            throw problem(of: error, in: text)
        } catch {
            throw YAMLProblem(place: YAMLPlace(line: 1, column: 1), message: "it cannot be read: \(error)")
        }
        return documents
    }

    // MARK: Errors

    private static func problem(of error: YamlError, in text: String) -> YAMLProblem {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            var message = "this is no YAML: \(problem)"
            if let context { message += " \(context.text) in line \(context.mark.line)" }
            let place = YAMLPlace(line: mark.line, column: mark.column)
            return YAMLProblem(place: place, message: message + hint(near: mark.line, in: text))
        case .duplicatedKeysInMapping(let names, let context):
            let name = names.first ?? ""
            return YAMLProblem(
                place: YAMLPlace(line: max(context.mark.line, 1), column: max(context.mark.column, 1)),
                message: "the key '\(name.shown(60))' stands twice in one mapping, here for the first time")
        case .reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            let line = before.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            return YAMLProblem(
                place: YAMLPlace(
                    line: max(line.count, 1), column: (line.last?.unicodeScalars.count ?? 0) + 1),
                message: "this is no YAML: \(problem)")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return YAMLProblem(
                place: YAMLPlace(line: 1, column: 1), message: "this is no YAML: \("\(error)".shown(200))")
        }
    }

    /// What most likely went wrong there.
    private static func hint(near line: Int, in text: String) -> String {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let near = lines.indices.filter { $0 == line - 1 || $0 == line - 2 }.map { lines[$0] }
        if near.contains(where: { $0.contains("{{") }) {
            return "; a value that begins with a template, or stands in { } or [ ], is quoted: \"{{ ds }}\""
        }
        if near.contains(where: { $0.prefix(while: \.isWhitespace).contains("\t") }) {
            return "; lines are indented with spaces, not with tabs"
        }
        if near.contains(where: { $0.contains(": ") && $0.filter { $0 == ":" }.count > 1 }) {
            return "; a value with ': ' in it is quoted"
        }
        return ""
    }
}

/// Makes values of the parser's nodes.
private struct Composer {
    private var count = 0

    mutating func value(_ node: Node, depth: Int) throws(YAMLProblem) -> YAMLValue {
        let place = Self.place(of: node)
        count += 1
        guard count <= YAMLDocument.mostValues else {
            throw YAMLProblem(
                place: place,
                message: "the file comes to more than \(YAMLDocument.mostValues) values, aliases counted each time")
        }
        guard depth < YAMLDocument.deepest else {
            throw YAMLProblem(place: place, message: "values are nested deeper than \(YAMLDocument.deepest)")
        }
        switch node {
        case .scalar(let scalar):
            return YAMLValue(content: try Self.content(of: scalar, place), place: place, written: scalar.string)
        case .sequence(let sequence):
            try Self.checkTag(sequence.tag, place)
            var elements: [YAMLValue] = []
            for element in sequence { elements.append(try value(element, depth: depth + 1)) }
            return YAMLValue(content: .list(elements), place: place)
        case .mapping(let mapping):
            try Self.checkTag(mapping.tag, place)
            return YAMLValue(content: .mapping(try members(of: mapping, depth: depth)), place: place)
        case .alias:
            throw YAMLProblem(place: place, message: "the alias stands for nothing")
        }
    }

    private mutating func members(of mapping: Node.Mapping, depth: Int) throws(YAMLProblem) -> [YAMLValue.Member] {
        var members: [YAMLValue.Member] = []
        var merged: [YAMLValue.Member] = []
        for (key, node) in mapping {
            let place = Self.place(of: key)
            guard case .scalar(let scalar) = key else {
                throw YAMLProblem(
                    place: place,
                    message: "a key is a text; a value that begins with a template is quoted: \"{{ ds }}\"")
            }
            let value = try value(node, depth: depth + 1)
            guard scalar.string == "<<", scalar.style == .plain else {
                members.append(YAMLValue.Member(name: scalar.string, place: place, value: value))
                continue
            }
            let sources = if case .list(let elements) = value.content { elements } else { [value] }
            for source in sources {
                guard case .mapping(let more) = source.content else {
                    throw YAMLProblem(place: place, message: "'<<' takes a mapping, or a list of mappings: <<: *name")
                }
                merged += more
            }
        }
        // What is written out counts, then the first that is merged.
        for member in merged where !members.contains(where: { $0.name == member.name }) { members.append(member) }
        return members
    }

    private static func content(of scalar: Node.Scalar, _ place: YAMLPlace) throws(YAMLProblem) -> YAMLValue.Content {
        if scalar.style == .plain, scalar.tag.description.isEmpty { return YAMLScalar.content(of: scalar.string) }
        try checkTag(scalar.tag, place)
        return .text(scalar.string)
    }

    /// Tags change what a value is; of those only the plain ones have a meaning here.
    private static func checkTag(_ tag: Tag, _ place: YAMLPlace) throws(YAMLProblem) {
        let name = tag.description
        let known = ["", "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"]
        guard !known.contains(name) else { return }
        throw YAMLProblem(place: place, message: "the tag '\(name.shown(60))' is not known; leave it out")
    }

    private static func place(of node: Node) -> YAMLPlace {
        YAMLPlace(line: max(node.mark?.line ?? 1, 1), column: max(node.mark?.column ?? 1, 1))
    }
}
