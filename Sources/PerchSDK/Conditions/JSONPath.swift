// SPDX-License-Identifier: Apache-2.0

/// A place, or several, in a JSON document: `$.job.state`, `$.items[0]`, `$.items[-1]['the id']`, `$.items[*].done`.
///
/// A subset of RFC 9535: `$`, members by `.name` or `['name']`, elements by number (negative from the end), and every
/// member or element by `*`. There are no filters, slices, scripts or descents.
public struct JSONPath: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        case member(String)
        case element(Int)
        case every
    }

    /// The path as written.
    public let text: String
    /// What is wrong with it, in a sentence; nil where nothing is. A wrong path selects nothing.
    public let problem: String?
    let steps: [Step]

    /// A path. A mistake in it is no error yet: it stands in `problem`.
    public init(_ text: String) {
        self.text = text
        var reader = JSONPathReader(text)
        do throws(PerchError) {
            steps = try reader.steps()
            problem = nil
        } catch {
            steps = []
            problem = error.message
        }
    }

    /// Every value at the place, in the order of the document (members by name). Empty where there is none.
    public func values(in document: JSONValue) -> [JSONValue] {
        guard problem == nil else { return [] }
        var current = [document]
        for step in steps {
            var next: [JSONValue] = []
            for value in current {
                switch (step, value) {
                case (.member(let name), .object(let members)):
                    if let member = members[name] { next.append(member) }
                case (.element(let index), .array(let elements)):
                    let place = index < 0 ? elements.count + index : index
                    if elements.indices.contains(place) { next.append(elements[place]) }
                case (.every, .array(let elements)):
                    next += elements
                case (.every, .object(let members)):
                    next += members.sorted { $0.key < $1.key }.map(\.value)
                default:
                    break
                }
            }
            if next.isEmpty { return [] }
            current = next
        }
        return current
    }
}

extension JSONPath: Codable {
    /// Reads the path's text.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the path's text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    /// Two paths are equal where their texts are.
    public static func == (left: JSONPath, right: JSONPath) -> Bool { left.text == right.text }

    /// Hashes the text.
    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

private struct JSONPathReader {
    let text: String
    let scalars: [Unicode.Scalar]
    var position = 0

    init(_ text: String) {
        self.text = text
        scalars = Array(text.unicodeScalars)
    }

    mutating func steps() throws(PerchError) -> [JSONPath.Step] {
        guard scalars.count <= 4_096 else { throw fault("it is longer than 4096 characters") }
        guard next() == "$" else { throw fault("it starts with '$'") }
        var steps: [JSONPath.Step] = []
        while position < scalars.count {
            switch next() {
            case ".": steps.append(try dotted())
            case "[": steps.append(try bracketed())
            default:
                position -= 1
                throw fault("after a step stands '.' or '['")
            }
        }
        return steps
    }

    private mutating func dotted() throws(PerchError) -> JSONPath.Step {
        if peek() == "*" {
            position += 1
            return .every
        }
        guard peek() != "." else { throw fault("'..' is not supported; write the members out") }
        let start = position
        while let scalar = peek(), Self.isNamePart(scalar) { position += 1 }
        guard position > start else { throw fault("a member's name follows '.'; write others as ['name']") }
        return .member(String(String.UnicodeScalarView(scalars[start..<position])))
    }

    private mutating func bracketed() throws(PerchError) -> JSONPath.Step {
        let step: JSONPath.Step
        switch peek() {
        case "*":
            position += 1
            step = .every
        case "'", "\"":
            step = .member(try quoted())
        case "?": throw fault("filters are not supported; use a condition on the values")
        default:
            let start = position
            if peek() == "-" { position += 1 }
            while let scalar = peek(), ("0"..."9").contains(scalar) { position += 1 }
            let digits = String(String.UnicodeScalarView(scalars[start..<position]))
            guard peek() != ":" else { throw fault("slices are not supported; use one number, or *") }
            guard let index = Int(digits) else { throw fault("in brackets stands a number, a quoted name, or *") }
            step = .element(index)
        }
        guard next() == "]" else {
            position -= 1
            throw fault("wanted was ']'")
        }
        return step
    }

    private mutating func quoted() throws(PerchError) -> String {
        let quote = next()
        var name = String.UnicodeScalarView()
        while let scalar = next() {
            if scalar == quote { return String(name) }
            if scalar == "\\" {
                guard let escaped = next(), escaped == "\\" || escaped == "'" || escaped == "\"" else {
                    throw fault("a backslash stands before a quote or a backslash only")
                }
                name.append(escaped)
            } else {
                name.append(scalar)
            }
        }
        position = scalars.count
        throw fault("the quoted name does not end")
    }

    private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-": true
        default: scalar.value >= 0x80
        }
    }

    private func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func next() -> Unicode.Scalar? {
        defer { position += 1 }
        return position < scalars.count ? scalars[position] : nil
    }

    private func fault(_ reason: String) -> PerchError {
        PerchError(
            .invalid,
            "'\(text.shown())' is no JSON path: at character \(min(position, scalars.count) + 1), \(reason)")
    }
}
