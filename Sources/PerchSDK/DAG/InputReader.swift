// SPDX-License-Identifier: Apache-2.0

/// How an output is read from what is stored, where it is more than decoding: the event of a trigger that is made of others
/// is made anew, of theirs.
enum OutputReading: Sendable {
    typealias Reading = @Sendable (JSONValue) throws -> any Sendable

    /// The output of a task.
    case whole(Reading)
    /// Each element of what the instances of a mapped task gave.
    case each(Reading)

    /// The output as `type`.
    func value<Value: Codable>(_ type: Value.Type, from text: String) throws -> Value {
        let json = try JSONValue(parsingEnvelope: text)
        let value: Any? =
            switch (self, json) {
            // No output is read as every other nil.
            case (_, .null): try JSONText.decode(type, from: text)
            case (.whole(let reading), _): try reading(json)
            case (.each(let reading), .array(let elements)): try elements.map { $0 == .null ? nil : try reading($0) }
            case (.each, _): nil
            }
        guard let value = value as? Value else { throw PerchError(.invalid, "it is \(json.text.prefix(200))") }
        return value
    }

    /// How what all instances gave together is read, where one instance's output is read so.
    var ofInstances: OutputReading? {
        switch self {
        case .whole(let reading): .each(reading)
        case .each: nil
        }
    }

    /// How one element of the output is read; nil where it is decoded.
    var ofElement: OutputReading? {
        switch self {
        case .whole: nil
        case .each(let reading): .whole(reading)
        }
    }
}

/// The inputs that a task declares, in order. One may be the element of a mapped group, which is no task's output.
struct TaskInputs: Sendable {
    private(set) var anchors: [TaskAnchor] = []
    fileprivate var readings: [OutputReading?] = []

    mutating func add<Output>(_ input: TaskReference<Output>) {
        anchors += input.anchors
        readings.append(input.reading)
    }
}

/// Decodes a task's inputs one after another; its errors name the task that gave the value.
struct InputReader {
    let texts: [String]
    let element: String?
    let inputs: TaskInputs
    let task: String
    private var position = 0
    /// How many outputs have been read.
    private var outputs = 0

    init(_ inputs: TaskInputs, texts: [String], element: String?, task: String) {
        self.texts = texts
        self.element = element
        self.inputs = inputs
        self.task = task
    }

    /// The next input. An input that cannot be read will not be readable on a retry either.
    mutating func next<Value: Codable>(_ type: Value.Type) throws(NonRetryable) -> Value {
        let name = position < inputs.anchors.count ? inputs.anchors[position].taskID : "?"
        let reading = inputs.readings[position]
        if case .element = inputs.anchors[position].role {
            position += 1
            return try ElementReader(upstream: name, reading: reading, task: task).element(type, from: element)
        }
        guard outputs < texts.count else {
            throw NonRetryable(
                "task '\(task)' has \(inputs.anchors.count) inputs, but \(texts.count) outputs were handed to it")
        }
        let text = texts[outputs]
        position += 1
        outputs += 1
        do {
            return try reading?.value(type, from: text) ?? JSONText.decode(type, from: text)
        } catch {
            if text == JSONText.null {
                throw NonRetryable(
                    """
                    task '\(task)' takes the output of '\(name)' as \(type), but '\(name)' gave no output: it was skipped, \
                    failed or did not run; take `.optional` of its reference to receive nil then
                    """)
            }
            throw NonRetryable("task '\(task)' cannot read the output of '\(name)' as \(type): \(error)")
        }
    }
}

/// Decodes the element that a mapped instance stands for.
struct ElementReader: Sendable {
    let upstream: String
    let reading: OutputReading?
    let task: String

    init(upstream: String, reading: OutputReading?, task: String) {
        self.upstream = upstream
        self.reading = reading
        self.task = task
    }

    init<Elements>(_ elements: TaskReference<Elements>, task: String) {
        upstream = elements.taskID
        reading = elements.reading?.ofElement
        self.task = task
    }

    func element<Value: Codable>(_ type: Value.Type, from text: String?) throws(NonRetryable) -> Value {
        guard let text else {
            throw NonRetryable("task '\(task)' is mapped over '\(upstream)', but no element was handed to it")
        }
        do {
            return try reading?.value(type, from: text) ?? JSONText.decode(type, from: text)
        } catch {
            throw NonRetryable(
                "task '\(task)' cannot read its element of the output of '\(upstream)' as \(type): \(error)")
        }
    }
}
