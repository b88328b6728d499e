// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Reads the params of a document.
struct ParamReader {
    private(set) var params: [String: Param] = [:]
    private(set) var problems: [YAMLProblem] = []

    /// - Parameters:
    ///   - value: The mapping as it was read; nil: none.
    ///   - schedule: When runs are created: nobody gives params to those of ticks.
    init(_ value: YAMLValue?, _ schedule: Schedule) {
        var definition = DAGDefinition(dagID: "", schedule: schedule.definition)
        var places: [String: YAMLPlace] = [:]
        for member in value?.members ?? [] {
            let param = param(member.name, member.value)
            params[member.name] = param
            definition.params[member.name] = param.value
            definition.paramSchemas[member.name] = param.schema
            places[member.name] = member.value.place
        }
        guard problems.isEmpty else { return }
        for (name, message) in definition.paramProblems {
            guard let place = places[name] else { continue }
            problems.append(YAMLProblem(place: place, message: message))
        }
    }

    private mutating func param(_ name: String, _ value: YAMLValue) -> Param {
        guard Shape.isMarked(value, by: "type", ParamShapes.param),
            let kind = value["type"]?.text.flatMap(ParamSchema.Kind.init(rawValue:))
        else { return Param(value.json) }
        for member in value.members {
            guard let bound = ParamShapes.bounds.first(where: { $0.name == member.name }), !bound.kinds.contains(kind)
            else { continue }
            let others = ParamShapes.bounds.filter { $0.kinds.contains(kind) }.map(\.name)
            let right = others.isEmpty ? "" : "; it may have \(ShapeReader.listed(others))"
            problems.append(
                YAMLProblem(
                    place: member.place,
                    message: "'\(member.name)' is not for the type \(kind.rawValue) of '\(name.shown(40))'\(right)"))
        }
        var schema = ParamSchema(kind, description: value["description"]?.text)
        schema.choices = value["enum"]?.elements.map(\.json)
        schema.minimum = (value["minimum"] ?? value["min_length"] ?? value["min_items"])?.double
        schema.maximum = (value["maximum"] ?? value["max_length"] ?? value["max_items"])?.double
        schema.pattern = value["pattern"]?.text
        schema.items = value["items"]?["type"]?.text.flatMap(ParamSchema.Kind.init(rawValue:))
        return Param(value["default"]?.json, schema)
    }
}
