import express, { type Router } from 'express';
export function apiDocuments(_o: { readonly publicUrl: string | null }): {
  readonly json: Router;
  readonly pages: Router;
} {
  return { json: express.Router(), pages: express.Router() };
}
