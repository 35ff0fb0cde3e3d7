package memo

// Namespaces of the shared blocks.
const (
	nsGLN  = "https://www.gs1.dk/gs1-standarder/identifikation/gln-global-location-number/"
	nsUDD  = "https://www.dst.dk/da/TilSalg/Forskningsservice/Dokumentation/hoejkvalitetsvariable/elevregister-2/udd#"
	nsFORM = "http://www.form-online.dk/"
	nsKLE  = "http://kle-online.dk/"
	nsDMV  = "https://motorregister.skat.dk/"
	nsSOR  = "https://services.nsi.dk/en/Services/SOR"
)

func contentData() *element {
	vehicle := &element{space: nsDMV, name: "MotorVehicle", kids: []particle{
		one(leafEl(nsDMV, "licenseNumber", license)), opt(leafEl(nsDMV, "chassisNumber", text)),
	}}
	return memoEl("ContentData",
		opt(leaves(NamespaceCore, "CPRdata", "cprNumber", "name?")),
		opt(leaves(NamespaceCore, "CVRdata", "cvrNumber", "companyName?")),
		opt(vehicle),
		opt(leaves(NamespaceCore, "PropertyNumber", "propertyNumber")),
		opt(memoEl("CaseID", leaf("caseID", text), leaf("caseSystem", text))),
		opt(leaves(nsKLE, "KLEdata", "subjectKey", "version", "activityFacet?", "label")),
		opt(leaves(nsFORM, "FORMdata", "taskKey", "version", "activityFacet?", "label")),
		opt(productionUnit()),
		opt(leaves(nsUDD, "Education", "educationCode", "educationName?")),
		opt(address()),
		opt(leaves(NamespaceCore, "UnstructuredAddress", "unstructured")),
		upTo(10, memoEl("AdditionalContentData",
			optLeaf("contentDataType", text), leaf("contentDataName", text), leaf("contentDataValue", text))))
}

func attentionData() *element {
	location := &element{space: nsGLN, name: "GlobalLocationNumber", kids: []particle{
		one(leafEl(nsGLN, "globalLocationNumber", gln)), opt(leafEl(nsGLN, "location", text)),
	}}
	return memoEl("AttentionData",
		opt(memoEl("AttentionPerson", optLeaf("personID", text), optLeaf("label", text))),
		opt(productionUnit()),
		opt(location),
		opt(memoEl("EMail", leaf("emailAddress", text), optLeaf("relatedAgent", text))),
		opt(leaves(NamespaceCore, "SEnumber", "seNumber", "companyName?")),
		opt(memoEl("Telephone", leaf("telephoneNumber", text), optLeaf("relatedAgent", text))),
		opt(leaves(NamespaceCore, "EID", "eID", "label?")),
		opt(memoEl("ContentResponsible", optLeaf("contentResponsibleID", text), optLeaf("label", text))),
		opt(memoEl("GeneratingSystem", leaf("generatingSystemID", text), optLeaf("label", text))),
		opt(leaves(nsSOR, "SORdata", "sorIdentifier", "entryName?")),
		opt(address()),
		opt(leaves(NamespaceCore, "UnstructuredAddress", "unstructured")))
}

func productionUnit() *element {
	return grdEl("ProductionUnit",
		one(leafEl(NamespaceCore, "productionUnitNumber", pNumber)),
		opt(leafEl(NamespaceCore, "productionUnitName", text)))
}

func address() *element {
	a := leaves(NamespaceCore, "Address", "id?", "addressLabel?", "houseNumber?", "door?", "floor?",
		"co?", "zipCode?", "city?", "country?")
	a.kids = append(a.kids, opt(leaves(NamespaceCore, "AddressPoint",
		"geographicEastingMeasure?", "geographicNorthingMeasure?", "geographicHeightMeasure?")))
	return a
}
