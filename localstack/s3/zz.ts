import { mkdirSync, writeFileSync, rmSync } from 'node:fs'; import { join } from 'node:path';
import { ObjectTree } from './object-tree.ts'; import { FolderSync } from './folder-sync.ts'; import { encodeRecord } from './object-file.ts'; import { placeOf } from './layout.ts';
import { readPage } from './list-objects.ts';
const root='/tmp/zz-tree'; rmSync(root,{recursive:true,force:true}); const tree=new ObjectTree(root,new FolderSync());
for(let i=0;i<100000;i++){const key='flat/'+((i*7919)%100000).toString(16).padStart(64,'0');const p=placeOf(key);if(i===0)mkdirSync(join(root,...p.folders),{recursive:true});writeFileSync(join(root,...p.folders,p.file),encodeRecord({key,size:0,etag:'a'.repeat(32),modifiedMs:0,contentHeaders:{},userMetadata:{}}));}
for (const prefix of ['flat/','flat/'+'0'.repeat(60)+'1a','','other/']) {let from='';let n=0;for(let k=0;k<4;k++){const t=performance.now();const page=await readPage(tree,{prefix,delimiter:'',from,maxKeys:1000});n+=page.records.length;console.log(prefix.length,n,(performance.now()-t).toFixed(0)+' ms');if(!page.next)break;from=page.next}}
const t=performance.now();const page=await readPage(tree,{prefix:'',delimiter:'/',from:'',maxKeys:1000});console.log('delimiter',page.commonPrefixes,(performance.now()-t).toFixed(0)+' ms');
rmSync(root,{recursive:true});
