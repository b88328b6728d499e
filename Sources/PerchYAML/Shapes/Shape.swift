// SPDX-License-Identifier: Apache-2.0

/// What may stand at a place of a document. The reader checks by it, and the JSON Schema is written from it: there is no
/// second list of what is allowed.
indirect enum Shape: Sendable {
    /// A text; a number without quotes is taken as it is written.
    case text
    /// A text that may hold templates.
    case template
    case flag
    /// Nothing but true: what is not so is left out.
    case yes
    case integer(ClosedRange<Int64>)
    /// A whole number, or a text with templates that becomes one.
    case templatedInteger(ClosedRange<Int64>)
    case number
    /// A length of time, with units.
    case span(SpanBound)
    case choice([String])
    /// A text, a number, true or false.
    case scalar
    /// Whatever JSON has.
    case any
    case list(Shape)
    /// A list, or one element without the list around it.
    case oneOrMore(Shape)
    /// A mapping whose keys are the writer's.
    case dictionary(Shape)
    case object(ObjectShape)
    /// An object of one shape where it has a key, and of another where not.
    case cases(key: String, has: ObjectShape, else: ObjectShape)
    /// An object where a mapping has a key, or nothing but keys of the object; and else a value of another shape.
    case marked(by: String, ObjectShape, else: Shape)
    /// One of `Shapes.named`: for shapes that stand in themselves.
    case named(String)

    /// How short a length of time may be.
    enum SpanBound: Sendable {
        case any, notNegative, positive
    }

    /// Whether a value is an object that is marked so.
    static func isMarked(_ value: YAMLValue, by key: String, _ object: ObjectShape) -> Bool {
        guard !value.members.isEmpty else { return false }
        return value[key] != nil || value.members.allSatisfy { object.field($0.name) != nil }
    }

    /// Whether nothing (`null`) is a value here, and not the lack of one.
    var takesNull: Bool { if case .any = self { true } else { false } }
}

/// What a mapping may hold.
struct ObjectShape: Sendable {
    /// As messages call it: `a task`.
    var name: String
    var fields: [Field]
    /// The field that a value stands for which is no mapping.
    var short: String?
    var rules: [ObjectRule] = []
    /// What messages ask for where there is a list; nil: what the short form is.
    var inPlaceOfList: String?

    func field(_ name: String) -> Field? { fields.first { $0.name == name } }
}

/// One key of a mapping.
struct Field: Sendable {
    var name: String
    var shape: Shape
    var isRequired = false
    /// In a sentence, for people.
    var summary: String
    /// What others call it: whoever writes that is told.
    var others: [String] = []

    init(_ name: String, _ shape: Shape, _ summary: String, required: Bool = false, others: [String] = []) {
        self.name = name
        self.shape = shape
        self.summary = summary
        isRequired = required
        self.others = others
    }
}

/// Which keys of a mapping go together.
enum ObjectRule: Sendable {
    case exactlyOne([String])
    case atLeastOne([String])
    case atMostOne([String])
    /// Beside the key stands one of others.
    case needs(String, [String])
    /// Beside the key stands none of others.
    case excludes(String, [String])
}
