// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What a rendered template becomes: it decides what may stand in it.
package enum RenderedPlace: Sendable, Hashable {
    /// It stays in the memory of the process, or goes where its code sends it.
    case memory
    /// It becomes an argument of a process, which every user of the machine can read: nothing secret.
    case argument
    /// It is stored, and shown in lists: nothing secret, and nothing of connections.
    case stored
}

/// The variables and connections that templates are filled in from. They are looked up as they are asked for: what a
/// rendering could not find is noted, and it is rendered again when that is known.
package struct TemplateValues: Sendable {
    private final class Asked: Sendable {
        let names = Mutex<Set<SecretName>>([])
    }

    var place = RenderedPlace.memory
    /// Whether stars stand in place of what is secret, and of all that is a connection's.
    private(set) var isForPeople = false
    private var known: [SecretName: FoundSecret?] = [:]
    private var asked = Asked()

    /// Nothing is known.
    package init() {}

    /// What was asked for and is not known, in order; forgotten by that.
    mutating func takeAsked() -> [SecretName] {
        let names = asked.names.withLock { $0 }
        asked = Asked()
        return names.filter { known[$0] == nil }.sorted()
    }

    mutating func learn(_ name: SecretName, _ found: FoundSecret?) { known[name] = .some(found) }

    /// Whether anything has been looked up.
    var isEmpty: Bool { known.isEmpty }

    /// The same with stars in place of what people may not see.
    var forPeople: TemplateValues {
        var values = self
        values.place = .memory
        values.isForPeople = true
        return values
    }

    /// The value of a name; nil where there is none, or none is known yet.
    func value(of steps: [TemplateExpression.Step]) -> JSONValue? {
        guard let name = TemplateReference.name(of: steps), let found = find(name) else { return nil }
        let value = plainValue(of: steps, found)
        guard isForPeople, value != nil else { return value }
        switch found {
        case .secret, .connection: return .string(SecretMask.shown)
        case .variable(let variable): return variable.isSecret ? .string(SecretMask.shown) : value
        }
    }

    private func plainValue(of steps: [TemplateExpression.Step], _ found: FoundSecret) -> JSONValue? {
        switch found {
        case .secret: return nil
        case .variable(let variable):
            if TemplateReference.isText(steps) { return .string(variable.value) }
            let value = try? JSONValue(parsing: variable.value)  // because an error would repeat what may be secret
            return value.flatMap { TemplateScope.descend($0, steps.dropFirst(3)) }
        case .connection(let connection):
            guard case .member(let part) = steps[2] else { return nil }
            return connection.part(part).flatMap { TemplateScope.descend($0, steps.dropFirst(3)) }
        }
    }

    /// Why a name may not be used here; nil where it may.
    func refusal(of steps: [TemplateExpression.Step]) -> String? {
        guard place != .memory, let name = TemplateReference.name(of: steps) else { return nil }
        switch name.kind {
        case .connection:
            if place == .stored { return TemplateReference.noConnection }
            guard steps.count > 2, case .member(let part) = steps[2], Connection.secretParts.contains(part) else {
                return nil
            }
            return "the \(part) of \(name) may not be an argument, which every user of the machine can read; "
                + "hand it over in the environment or in a body"
        case .variable:
            guard case .variable(let variable)? = find(name), variable.isSecret else { return nil }
            return place == .stored
                ? "\(name) is secret, and this is stored and shown; name it by a reference such as "
                    + "{\"secret\": \"var:\(name.name.shown(40))\"} where the trigger takes one"
                : "\(name) is secret, and an argument can be read by every user of the machine; hand it over in the "
                    + "environment or in a body"
        case .secret: return nil
        }
    }

    private func find(_ name: SecretName) -> FoundSecret? {
        if let answer = known[name] { return answer }
        _ = asked.names.withLock { $0.insert(name) }
        return nil
    }
}

extension TemplateScope {
    /// The scope for what becomes of the text.
    package func rendering(to place: RenderedPlace) -> TemplateScope {
        var scope = self
        scope.values.place = place
        return scope
    }

    /// What a template has become with this scope, as people may see it. Nothing secret is in it to be hidden: it is filled in
    /// anew, with stars in the place of secrets, so that no filter or macro makes of one what a mask would not know.
    ///
    /// - Parameter result: What it has become.
    package func shown(_ template: String, rendered result: String) -> String {
        if values.isEmpty { return result }
        var scope = self
        scope.values = values.forPeople
        do throws(PerchError) {
            return try Template.render(template, with: scope)
        } catch {
            // What goes on with the value (a number of it, a member) cannot go on with stars: nothing of it is shown.
            return SecretMask.shown
        }
    }

    /// Renders with the variables and connections that the templates ask for.
    ///
    /// - Parameters:
    ///   - lookUp: What stands behind a name; nil where nothing does.
    ///   - body: Renders; called again whenever it asked for something new.
    package func filled<Result>(
        by lookUp: (SecretName) throws -> FoundSecret?, _ body: (TemplateScope) throws -> Result
    ) throws -> Result {
        var scope = self
        while true {
            let result = Swift.Result { try body(scope) }
            let asked = scope.values.takeAsked()
            if asked.isEmpty { return try result.get() }
            for name in asked { scope.values.learn(name, try lookUp(name)) }
        }
    }

    /// Renders with the variables and connections of an attempt.
    package func filled<Result>(
        by runtime: any AttemptRuntime, _ body: (TemplateScope) throws -> Result
    ) async throws -> Result {
        try await filled(asking: { try await runtime.find($0) }, body)
    }

    /// The same where looking something up takes its time.
    package func filled<Result>(
        asking lookUp: (SecretName) async throws -> FoundSecret?, _ body: (TemplateScope) throws -> Result
    ) async throws -> Result {
        var scope = self
        while true {
            let result = Swift.Result { try body(scope) }
            let asked = scope.values.takeAsked()
            if asked.isEmpty { return try result.get() }
            for name in asked { scope.values.learn(name, try await lookUp(name)) }
        }
    }
}

extension AttemptRuntime {
    /// What stands behind a name; nil where nothing does.
    fileprivate func find(_ name: SecretName) async throws -> FoundSecret? {
        do {
            switch name.kind {
            case .connection: return .connection(try await connection(name.name))
            case .variable: return .variable(try await variable(named: name.name))
            case .secret: return nil
            }
        } catch let error as PerchError where error.code == .notFound {
            return nil
        }
    }
}
