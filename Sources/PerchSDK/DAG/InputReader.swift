// SPDX-License-Identifier: Apache-2.0

/// Decodes a task's inputs one after another; its errors name the task that gave the value.
struct InputReader {
    let texts: [String]
    let names: [String]
    let readings: [OutputReading?]
    let task: String
    private var position = 0

    init(texts: [String], names: [String], readings: [OutputReading?] = [], task: String) {
        self.texts = texts
        self.names = names
        self.readings = readings
        self.task = task
    }

    /// The next input. An input that cannot be read will not be readable on a retry either.
    mutating func next<Value: Codable>(_ type: Value.Type) throws(NonRetryable) -> Value {
        let name = position < names.count ? names[position] : "?"
        guard position < texts.count else {
            throw NonRetryable("task '\(task)' has \(names.count) inputs, but \(texts.count) outputs were handed to it")
        }
        let text = texts[position]
        let reading = position < readings.count ? readings[position] : nil
        position += 1
        do {
            // No output is read as every other nil.
            if let reading, text != JSONText.null, let value = try reading(text) as? Value { return value }
            return try JSONText.decode(type, from: text)
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
    let task: String

    func element<Value: Codable>(_ type: Value.Type, from text: String?) throws(NonRetryable) -> Value {
        guard let text else {
            throw NonRetryable("task '\(task)' is mapped over '\(upstream)', but no element was handed to it")
        }
        do {
            return try JSONText.decode(type, from: text)
        } catch {
            throw NonRetryable(
                "task '\(task)' cannot read its element of the output of '\(upstream)' as \(type): \(error)")
        }
    }
}
